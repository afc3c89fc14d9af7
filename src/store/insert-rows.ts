import type { InsertedRow, NewOutboxEvent } from '../record/columns.ts'
import type { Program } from './program.ts'

/** The limits of one statement of a store, and the order that it needs. */
export interface InsertLimits {
  /** Rows of one statement, at most. Default: any number. */
  readonly rows?: number
  /** About how many bytes of data one statement of several rows has. Default: any number. */
  readonly bytes?: number
  /**
   * Where a waiting insert locks the gap before what it waits for (InnoDB): a text that sorts as the index does, descending
   * if it is, so that the lock's holder goes on behind the gap. Default: by source, id and backend, rows without an id of their own last.
   */
  readonly orderOf?: (row: NewOutboxEvent) => string
}

/**
 * The program of a publish: inserts rows, those of a key in their order, in groups that each fit one statement;
 * `insert` is the program of a group. Returns the rows that were added.
 */
export function* insertRows(
  given: readonly NewOutboxEvent[],
  { orderOf, ...limits }: InsertLimits,
  insert: (rows: readonly NewOutboxEvent[]) => Program<readonly InsertedRow[]>,
): Program<readonly InsertedRow[]> {
  const added: InsertedRow[] = []
  for (const rows of insertChunks(limits, inInsertOrder(given, orderOf))) added.push(...(yield* insert(rows)))
  return added
}

/** Bytes of a row besides its texts: columns of fixed size, quotes, names in a JSON parameter. */
const OVERHEAD = 600

/**
 * Rows in groups, in their order, each within the limits of number and size. A row that is larger than the limit is a
 * group by itself, for the database to accept or refuse.
 */
export function insertChunks(
  { rows: mostRows = Number.POSITIVE_INFINITY, bytes: mostBytes = Number.POSITIVE_INFINITY }: InsertLimits,
  rows: readonly NewOutboxEvent[],
): readonly (readonly NewOutboxEvent[])[] {
  if (rows.length === 1) return [rows]
  const chunks: NewOutboxEvent[][] = []
  let chunk: NewOutboxEvent[] = []
  let size = 0
  for (const row of rows) {
    const bytes = sizeOf(row)
    if (chunk.length > 0 && (chunk.length >= mostRows || size + bytes > mostBytes)) {
      chunks.push(chunk)
      chunk = []
      size = 0
    }
    chunk.push(row)
    size += bytes
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}

/** About as many bytes as its values take in a statement: data as UTF-8, bytes as Base64 or hexadecimal digits. */
function sizeOf({ data, dataBinary, extensions, publisherConfig }: NewOutboxEvent): number {
  const texts = [data, extensions, publisherConfig].reduce((sum, text) => sum + (text ? Buffer.byteLength(text) : 0), 0)
  return OVERHEAD + texts + (dataBinary ? 2 * dataBinary.byteLength : 0)
}

/**
 * The order in which rows are inserted: two transactions that publish the same events wait for each other row by row,
 * and deadlock if each has its own order. Events of a key stay in the given order, in which they are delivered. Where
 * publish made all ids, nobody else has them, and the order stays as given.
 */
export function inInsertOrder(
  rows: readonly NewOutboxEvent[],
  orderOf: (row: NewOutboxEvent) => string = identityText,
): readonly NewOutboxEvent[] {
  if (rows.length < 2 || !rows.some(hasOwnId)) return rows
  // The sort keeps what compares as equal, the events of a key, in the given order.
  const placed = rows.map((row) => ({
    row,
    key: row.partitionKey ?? '',
    place: row.partitionKey === null ? orderOf(row) : '',
  }))
  return placed.sort((a, b) => byText(a.key, b.key) || byText(a.place, b.place)).map(({ row }) => row)
}

function identityText(row: NewOutboxEvent): string {
  return row.eventId === null ? rowIdText(row) : JSON.stringify([row.source, row.eventId, row.publisherBackend])
}

/** Where a row stands that has only the id of its row: as in the primary key, after all that have an id of their own. */
export function rowIdText({ id, publisherBackend }: NewOutboxEvent): string {
  return `id ${id} ${publisherBackend}`
}

/** Whether the caller may have chosen the id, so that it may be stored already: publish makes version 7. */
export function hasOwnId({ id, eventId }: NewOutboxEvent): boolean {
  return eventId !== null || id[14] !== '7'
}

/** By code unit: the same in every process, whatever its language. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
