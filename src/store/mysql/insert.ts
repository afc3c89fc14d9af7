import { randomInt } from 'node:crypto'
import type { InsertedRow, NewOutboxEvent } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { ALL_ROWS, toSqlDate } from './literals.ts'
import { rowReader } from './row.ts'
import type { Tables } from './tables.ts'
import { toSqlId } from './uuid.ts'

/**
 * Rows of one statement, at most: each is 19 of the 65,535 values that a prepared statement may have, and each number
 * of rows is another statement to prepare.
 */
export const ROWS_PER_INSERT = 100

/** Bytes of one statement: below the smallest `max_allowed_packet` that anybody sets, a megabyte. */
export const BYTES_PER_INSERT = 800_000

const COLUMNS = `id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type,
  data_schema, data, data_binary, extensions, event_time, status, created_at, updated_at, scheduled_at,
  retry_count, max_retries, last_error, publisher_backend, publisher_config`

/** What is read of a new row: names without capitals or underscores, since some libraries rename columns. */
const RETURNED = `id, seq, lane, CAST(created_at AS CHAR) AS created, CAST(scheduled_at AS CHAR) AS scheduled,
  CAST(available_at AS CHAR) AS available`

/**
 * The one statement of a publish. VALUES and not a SELECT from one JSON parameter: for an INSERT ... SELECT, InnoDB
 * in MariaDB's default mode holds the lock on AUTO_INCREMENT until the statement ends, and one that waits for another
 * transaction's event of the same id would keep every other publisher waiting.
 *
 * A duplicate is left out by an update of it that changes `updated_at` alone. INSERT IGNORE would hide every other
 * error, too. That the update changes something is needed: our transaction then sees the row even where its snapshot
 * is older than the row (REPEATABLE READ), so `findDuplicate` needs no lock; and created_at = updated_at tells the
 * rows that are new.
 *
 * Takes no lock that another transaction waits for, but one: two transactions that publish the same event wait for
 * each other, since only the first to commit may have it. An insert that meets a stored event by its identity also
 * locks the gap before it in that index; `findStored` is asked first, so only those meet that race.
 */
export function insert(t: Tables): (rows: readonly NewOutboxEvent[]) => Statement {
  // ? stands for a value here and is nowhere else in it.
  const row = `(?, ? MOD (SELECT lanes FROM ${t.settings.text}), ?, ?, ?, ?, ?, ?, ?, ?, ?, FROM_BASE64(?), ?, ?,
  'pending', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), COALESCE(CAST(? AS DATETIME(6)), UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND),
  0, ?, '', ?, ?)`
  const [open = '', ...between] = row.split('?')
  const close = between.pop() ?? ''
  const before = `INSERT INTO ${t.events.text} (${COLUMNS}) VALUES\n`
  // A comment for MySQL, where `readBack` reads the rows.
  const after = `
ON DUPLICATE KEY UPDATE updated_at = UTC_TIMESTAMP(6)
/*M! RETURNING ${RETURNED}, created_at = updated_at AS fresh */`

  return (rows) => {
    const strings: string[] = []
    for (const n of rows.keys()) strings.push(n === 0 ? before + open : `${close},\n${open}`, ...between)
    return { strings: [...strings, close + after], values: rows.flatMap(valuesOf) }
  }
}

function valuesOf(row: NewOutboxEvent): readonly (string | number | null)[] {
  return [
    toSqlId(row.id),
    row.keyHash ?? randomInt(2 ** 32),
    row.partitionKey,
    row.eventId,
    row.specVersion,
    row.eventType,
    row.source,
    row.subject,
    row.dataContentType,
    row.dataSchema,
    row.data,
    row.dataBinary && base64(row.dataBinary),
    row.extensions,
    row.eventTime,
    row.scheduledAt && toSqlDate(row.scheduledAt),
    Math.round(row.delay * 1_000),
    row.maxRetries,
    row.publisherBackend,
    row.publisherConfig,
  ]
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

/** Reads the rows that were just inserted, where the insert itself returned none. */
export function readBack(t: Tables): (rows: readonly NewOutboxEvent[]) => Statement {
  const before = `SELECT ${RETURNED}, created_at = updated_at AS fresh
FROM ${t.events.text} FORCE INDEX (PRIMARY) WHERE id IN (`
  return (rows) => ({
    strings: [before, ...rows.slice(1).map(() => ', '), `) LIMIT ${ALL_ROWS}`],
    values: rows.map(({ id }) => toSqlId(id)),
  })
}

const readInserted = rowReader(['id', 'seq', 'lane', 'createdAt', 'scheduledAt', 'availableAt'], (column) =>
  column.replace(/At$/, ''),
)

/** Reads the rows that either statement returned: the new ones, each once. */
export function inserted(rows: readonly Row[]): readonly InsertedRow[] {
  const fresh = new Map<string, InsertedRow>()
  for (const row of rows) {
    if (Number(row['fresh']) !== 1) continue
    const read = readInserted(row) as Omit<InsertedRow, 'updatedAt'>
    fresh.set(read.id, { ...read, updatedAt: read.createdAt })
  }
  return [...fresh.values()]
}
