import { createHash, randomInt } from 'node:crypto'
import { COLUMN_NAMES, INSERTED_COLUMNS, type InsertedRow, type NewOutboxEvent } from '../../record/columns.ts'
import { insertRows, rowIdText } from '../insert-rows.ts'
import type { Program } from '../program.ts'
import { namedRowReader, plainName } from '../rows.ts'
import type { Row, Statement } from '../statement.ts'
import type { PublishStore } from '../store.ts'
import { textOfBytes, toSqlDate, toSqlId } from '../values.ts'
import type { Tables } from './tables.ts'
import { ALL_ROWS, readersOf, selectList } from './values.ts'

export function publish(t: Tables): PublishStore {
  return { insert: insert(t), findDuplicate: findDuplicate(t) }
}

/**
 * The most rows of one statement: each has 19 of the 65,535 values that a prepared statement may have, and each number
 * of rows is another statement to prepare.
 */
const ROWS_PER_INSERT = 100

/** Bytes of one statement: even as Base64 below the smallest usual `max_allowed_packet`, a megabyte. */
const BYTES_PER_INSERT = 750_000

const COLUMNS = `id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type,
  data_schema, data, data_binary, extensions, event_time, status, created_at, updated_at, scheduled_at,
  retry_count, max_retries, last_error, publisher_backend, publisher_config`

/** The columns read of each row, and whether it is new. */
const RETURNED = `id, seq, lane, CAST(created_at AS CHAR) AS createdat, CAST(updated_at AS CHAR) AS updatedat,
  CAST(scheduled_at AS CHAR) AS scheduledat, CAST(available_at AS CHAR) AS availableat, created_at = updated_at AS fresh`

/**
 * One statement for each hundred rows. VALUES and not a SELECT from one JSON parameter: for an INSERT ... SELECT,
 * InnoDB in MariaDB's default mode holds the lock on AUTO_INCREMENT until the statement ends, and one that waits for
 * another transaction's event of the same id would keep every other publisher waiting.
 *
 * A duplicate is left out by updating only its `updated_at`. INSERT IGNORE would hide every other error too. The update
 * has to change something: our transaction then sees the row even where its snapshot is older (REPEATABLE READ), so
 * `findDuplicate` needs no lock; and created_at = updated_at shows which rows are new.
 *
 * Takes only one kind of lock that another transaction waits for: of two that publish the same event the second waits,
 * since only the first to commit may have it. An insert that meets a stored event by its identity also locks the gap
 * before it in that index, so stored events are left out beforehand, and only a race remains.
 */
function insert(t: Tables): PublishStore['insert'] {
  // ? stands for a value here and occurs nowhere else.
  const rowOf = (text: string): readonly string[] =>
    `(?, ? MOD (SELECT lanes FROM ${t.settings.text}), ${new Array(9).fill(text).join(', ')}, FROM_BASE64(?), ${text}, ${text},
  'pending', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), COALESCE(CAST(? AS DATETIME(6)), UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND),
  0, ?, '', ${text}, ${text})`.split('?')
  const plain = rowOf('?')
  const encoded = rowOf('CONVERT(FROM_BASE64(?) USING utf8mb4)')
  const before = `INSERT INTO ${t.events.text} (${COLUMNS}) VALUES\n`
  // A comment to MySQL, where the rows are then read by their ids.
  const after = `
ON DUPLICATE KEY UPDATE updated_at = UTC_TIMESTAMP(6)
/*M! RETURNING ${RETURNED} */`

  const byId = `SELECT ${RETURNED} FROM ${t.events.text} FORCE INDEX (PRIMARY) WHERE id IN (`
  const statementFor = (rows: readonly NewOutboxEvent[]): Statement => {
    const isPlain = rows.every((row) => textsOf(row).every((text) => text === null || ASCII.test(text)))
    const [open = '', ...more] = isPlain ? plain : encoded
    const [between, close] = [more.slice(0, -1), more.at(-1) ?? '']
    const strings: string[] = []
    for (const n of rows.keys()) strings.push(n === 0 ? before + open : `${close},\n${open}`, ...between)
    return { strings: [...strings, close + after], values: rows.flatMap((row) => valuesOf(row, isPlain)) }
  }
  const onlyNew = notStored(t)
  const limits = {
    rows: ROWS_PER_INSERT,
    bytes: BYTES_PER_INSERT,
    orderOf: placeOf,
  }

  return (given) =>
    insertRows(given, limits, function* (some) {
      const rows = yield* onlyNew(some)
      if (rows.length === 0) return []
      const returned = yield statementFor(rows)
      if (returned.length > 0) return inserted(returned)
      const ids = rows.map(({ id }) => toSqlId(id))
      return inserted(yield { strings: [byId, ...ids.slice(1).map(() => ', '), `) LIMIT ${ALL_ROWS}`], values: ids })
    })
}

/**
 * What all clients write alike. Everything else goes as Base64: on a connection with another character set than utf8mb4
 * the client or the server would silently replace what that lacks by question marks or other letters.
 */
const ASCII = /^[\0-\x7f]*$/

/** All text values, in the order of the columns: nine before the bytes, two before the times, two at the end. */
function textsOf(row: NewOutboxEvent): readonly (string | null)[] {
  return [
    row.partitionKey,
    row.eventId,
    row.specVersion,
    row.eventType,
    row.source,
    row.subject,
    row.dataContentType,
    row.dataSchema,
    row.data,
    row.extensions,
    row.eventTime,
    row.publisherBackend,
    row.publisherConfig,
  ]
}

function valuesOf(row: NewOutboxEvent, isPlain: boolean): readonly (string | number | null)[] {
  const texts = isPlain ? textsOf(row) : textsOf(row).map((text) => text && Buffer.from(text).toString('base64'))
  return [
    toSqlId(row.id),
    row.keyHash ?? randomInt(2 ** 32),
    ...texts.slice(0, 9),
    row.dataBinary && textOfBytes(row.dataBinary, 'base64'),
    ...texts.slice(9, 11),
    row.scheduledAt && toSqlDate(row.scheduledAt),
    Math.round(row.delay * 1_000),
    row.maxRetries,
    ...texts.slice(11),
  ]
}

const readInserted = namedRowReader(INSERTED_COLUMNS, readersOf('raw'))

/** Reads the rows that either statement returned: only new ones, each once. */
function inserted(rows: readonly Row[]): readonly InsertedRow[] {
  const fresh = new Map<string, InsertedRow>()
  for (const row of rows) {
    if (Number(row['fresh']) !== 1) continue
    const read = readInserted(row) as InsertedRow
    fresh.set(read.id, read)
  }
  return [...fresh.values()]
}

/** What the column `identity` holds for an event, as hexadecimal digits; null = it has no id of its own. */
function identityOf(row: NewOutboxEvent): string | null {
  if (row.eventId === null) return null
  const [source, id] = [row.source, row.eventId].map((text) => `${Buffer.byteLength(text)}:${text}`)
  return createHash('sha256').update(`${source}${id}${row.publisherBackend}`).digest('hex')
}

/**
 * Sorts events as their index does, where the higher identities come first: who waits for an event locks the gap on the higher
 * side of it, and its holder goes on to lower ones. Those with an id of their own in the primary key come after, ascending.
 */
function placeOf(row: NewOutboxEvent): string {
  const identity = identityOf(row)
  return identity?.replaceAll(/./g, (digit) => (15 - Number.parseInt(digit, 16)).toString(16)) ?? rowIdText(row)
}

/**
 * The rows that are not stored, as this transaction sees it, without a lock. `seq` is for the plan: where the index
 * alone is enough, MySQL with the statistics of a small table reads all of it.
 */
function notStored(t: Tables): (rows: readonly NewOutboxEvent[]) => Program<readonly NewOutboxEvent[]> {
  const before = `SELECT HEX(identity) AS identity, seq FROM ${t.events.text} FORCE INDEX (${t.index.identity.text})
WHERE identity IN (UNHEX(`
  return function* (rows) {
    const values = rows.map(identityOf).filter((identity) => identity !== null)
    if (values.length === 0) return rows
    const found = yield {
      strings: [before, ...values.slice(1).map(() => '), UNHEX('), `)) LIMIT ${ALL_ROWS}`],
      values,
    }
    const stored = new Set<string | null>(found.map((row) => String(row['identity']).toLowerCase()))
    return stored.size === 0 ? rows : rows.filter((row) => !stored.has(identityOf(row)))
  }
}

/**
 * Selects the stored row of an event that `insert` left out: the same identity, or else the same id. Without a lock,
 * which would take the gap beside a missing id and keep other publishers out of it: this transaction sees the row,
 * because it did so before, or because `insert` has updated it.
 *
 * Two lookups and not one with OR: MySQL cannot merge a descending index for that, and reads the whole table.
 */
function findDuplicate(t: Tables): PublishStore['findDuplicate'] {
  const strings = [
    `SELECT ${selectList(COLUMN_NAMES, 'base64', plainName).text}
FROM (
  SELECT id FROM ${t.events.text} FORCE INDEX (PRIMARY) WHERE id = `,
    `
  UNION
  SELECT id FROM ${t.events.text} FORCE INDEX (${t.index.identity.text}) WHERE identity = UNHEX(`,
    `)) AS d
STRAIGHT_JOIN ${t.events.text} AS e FORCE INDEX (PRIMARY) ON e.id = d.id
ORDER BY e.event_id IS NULL, e.seq
LIMIT 1`,
  ]
  return function* (row) {
    const [found] = yield { strings, values: [toSqlId(row.id), identityOf(row)] }
    return found && read(found)
  }
}

const read = namedRowReader(COLUMN_NAMES, readersOf('base64'))
