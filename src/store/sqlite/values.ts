import { COLUMNS, type ColumnName, FAR_FUTURE, type OutboxEventColumns, sqlName } from '../../record/columns.ts'
import { UNSETTLED as UNSETTLED_STATUSES } from '../../record/status.ts'
import { plainName, type Readers } from '../rows.ts'
import { fromSqlDate, fromSqlId, statusList, toSqlDate } from '../values.ts'

/** The statuses of an event that is still to be delivered. */
export const UNSETTLED = statusList(UNSETTLED_STATUSES)

/** Now by the database's clock, in the form of every instant in the table: UTC, as Django writes it. */
export const NOW = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"

/** An instant some seconds (an SQL expression; fractions allowed) from now. */
export function nowPlus(seconds: string): string {
  return `strftime('%Y-%m-%d %H:%M:%f000', 'now', (${seconds}) || ' seconds')`
}

export const FAR_FUTURE_SQL = `'${toSqlDate(FAR_FUTURE)}'`

/** The select list for our own connections, whose rows come as arrays for `tupleReader`. */
export function selectList(names: readonly ColumnName[]): string {
  return names.map(sqlName).join(', ')
}

export function millisecondsBetween(from: unknown, to: unknown): number {
  return fromSqlDate(to).getTime() - fromSqlDate(from).getTime()
}

/** Reads rows that come as arrays in the order of the names. Made once per statement. */
export function tupleReader<Name extends ColumnName>(
  names: readonly Name[],
): (row: readonly unknown[]) => Pick<OutboxEventColumns, Name> {
  const parts = names.map((name) => {
    const { kind } = COLUMNS[name]
    return { name, read: kind === 'id' ? fromSqlId : kind === 'instant' ? readDate : readPlain }
  })
  return (row) => {
    const columns: Partial<Record<ColumnName, unknown>> = {}
    for (const [n, { name, read }] of parts.entries()) columns[name] = read(row[n])
    return columns as Pick<OutboxEventColumns, Name>
  }
}

function readDate(value: unknown): unknown {
  return value === null ? null : fromSqlDate(value)
}

function readPlain(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/**
 * The select list of statements that run through users' clients: everything is text, since Prisma turns DATETIME
 * columns into a Date and every integer into a BigInt, and libraries differ on bytes.
 */
export function foreignSelectList(names: readonly ColumnName[]): string {
  return names.map((name) => `${foreignExpression(name)} AS ${plainName(name)}`).join(', ')
}

function foreignExpression(name: ColumnName): string {
  const column = sqlName(name)
  if (COLUMNS[name].kind !== 'bytes') return `CAST(${column} AS TEXT)`
  // hex(NULL) is ''.
  return `CASE WHEN ${column} IS NOT NULL THEN hex(${column}) END`
}

/** How what `foreignSelectList` selects is read. */
export const FOREIGN_READERS: Readers = {
  id: fromSqlId,
  number: Number,
  instant: readDate,
  bytes: (text) => new Uint8Array(Buffer.from(String(text), 'hex')),
}
