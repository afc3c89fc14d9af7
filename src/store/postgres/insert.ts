import type { InsertedRow, NewOutboxEvent } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { dateOf, millisecondsOf, textOf } from './row.ts'
import type { Tables } from './tables.ts'

/**
 * Bytes of one statement. A text has at most a gigabyte on the server and half of that here, and the server holds it
 * several times while it reads the JSON.
 */
export const BYTES_PER_INSERT = 16_000_000

/**
 * The one statement of a publish: any number of rows as one JSON text, so that it has one text and one plan whatever
 * the number. `data` is a JSON string inside it, which keeps its text as it is.
 *
 * Runs on the caller's transaction, through any library: one parameter of type text, results as text under names
 * without capitals or underscores (some libraries rename columns), no `?` and no `:name`.
 *
 * Takes no lock that another transaction waits for, but one: two transactions that publish the same event wait for
 * each other, since only the first to commit may have it.
 */
export function insert(t: Tables): (rows: readonly NewOutboxEvent[]) => Statement {
  const before = `INSERT INTO ${t.events} (
  id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type, data_schema,
  data, data_binary, extensions, event_time, created_at, updated_at, scheduled_at, available_at, max_retries,
  publisher_backend, publisher_config)
SELECT
  r.id,
  CASE WHEN r.hash IS NULL THEN floor(random() * (SELECT lanes FROM ${t.settings}))
    ELSE r.hash % (SELECT lanes FROM ${t.settings}) END,
  r.key, r.eventid, r.specversion, r.type, r.source, r.subject, r.contenttype, r.dataschema,
  CAST(r.data AS json), decode(r.bin, 'base64'), CAST(r.extensions AS json), r.eventtime,
  statement_timestamp(), statement_timestamp(), due.at,
  CASE WHEN due.at > statement_timestamp() THEN due.at END,
  r.retries, r.backend, CAST(r.config AS json)
FROM json_to_recordset(CAST(CAST(`
  const after = ` AS text) AS json)) AS r(
    id uuid, hash bigint, key text, eventid text, specversion text, type text, source text, subject text,
    contenttype text, dataschema text, data text, bin text, extensions text, eventtime text, at timestamptz,
    delay double precision, retries integer, backend text, config text)
  CROSS JOIN LATERAL (
    SELECT coalesce(r.at, statement_timestamp() + r.delay * interval '1 millisecond') AS at) AS due
ON CONFLICT DO NOTHING
RETURNING CAST(id AS text) AS id, CAST(seq AS text) AS seq, CAST(lane AS text) AS lane,
  ${millisecondsOf('created_at')} AS created,
  ${millisecondsOf('scheduled_at')} AS scheduled,
  ${millisecondsOf('available_at')} AS available`
  const strings = [before, after]
  return (rows) => ({ strings, values: [JSON.stringify(rows.map(parameterOf))] })
}

/** Keys that are undefined do not appear in the JSON and are null in the row. */
function parameterOf(row: NewOutboxEvent): object {
  return {
    id: row.id,
    hash: row.keyHash ?? undefined,
    key: row.partitionKey ?? undefined,
    eventid: row.eventId ?? undefined,
    specversion: row.specVersion,
    type: row.eventType,
    source: row.source,
    subject: row.subject,
    contenttype: row.dataContentType,
    dataschema: row.dataSchema,
    data: row.data ?? undefined,
    bin: row.dataBinary === null ? undefined : base64(row.dataBinary),
    extensions: row.extensions ?? undefined,
    eventtime: row.eventTime ?? undefined,
    at: row.scheduledAt?.toISOString(),
    delay: row.delay,
    retries: row.maxRetries,
    backend: row.publisherBackend,
    config: row.publisherConfig,
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** Reads the rows that the statement returned. */
export function inserted(rows: readonly Row[]): readonly InsertedRow[] {
  return rows.map((row) => {
    const createdAt = dateOf(textOf(row, 'created'))
    return {
      id: textOf(row, 'id'),
      seq: Number(row['seq']),
      lane: Number(row['lane']),
      createdAt,
      updatedAt: createdAt,
      scheduledAt: dateOf(textOf(row, 'scheduled')),
      availableAt: row['available'] === null ? null : dateOf(textOf(row, 'available')),
    }
  })
}
