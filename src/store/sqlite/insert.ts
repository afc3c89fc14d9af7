import type { ColumnName, InsertedRow, NewOutboxEvent } from '../../record/columns.ts'
import type { Row, Statement } from '../statement.ts'
import { foreignReader, foreignSelectList } from './foreign-rows.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus, toSqlDate, toSqlId } from './values.ts'

const RETURNED = [
  'id',
  'seq',
  'lane',
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'availableAt',
] as const satisfies readonly ColumnName[]
const readInserted = foreignReader(RETURNED)

/** Bytes of one statement: a text of SQLite has at most a gigabyte, and some builds allow less. */
export const BYTES_PER_INSERT = 16_000_000

/**
 * One statement with one JSON parameter for any number of rows: an array of arrays, read by position. `data` stands in
 * it as a string, so that its text survives; bytes as hexadecimal digits, since SQLite decodes no Base64.
 */
export function insertText(t: Tables): readonly [string, string] {
  const at = (n: number): string => `json_extract(value, '$[${n}]')`
  const due = `coalesce(${at(14)}, ${nowPlus(at(15))})`
  return [
    `INSERT INTO ${t.events} (
       id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type, data_schema,
       data, data_binary, extensions, event_time, status, created_at, updated_at, scheduled_at, available_at,
       retry_count, max_retries, last_error, publisher_backend, publisher_config)
     SELECT
       ${at(0)}, coalesce(${at(2)}, random() & 9223372036854775807) % (SELECT lanes FROM ${t.settings}),
       ${at(1)}, ${at(3)}, ${at(4)}, ${at(5)}, ${at(6)}, ${at(7)}, ${at(8)}, ${at(9)},
       ${at(10)}, unhex(${at(11)}), ${at(12)}, ${at(13)}, 'pending', ${NOW}, ${NOW}, ${due},
       CASE WHEN ${due} > ${NOW} THEN ${due} END,
       0, ${at(16)}, '', ${at(17)}, ${at(18)}
     FROM json_each(`,
    `)
     WHERE true
     ON CONFLICT DO NOTHING
     RETURNING ${foreignSelectList(RETURNED)}`,
  ]
}

/** Inserts rows in the order given, which is the order of `seq`; those that exist already are left out. */
export function insert(strings: readonly string[], rows: readonly NewOutboxEvent[]): Statement {
  const values = rows.map((row) => [
    toSqlId(row.id),
    row.partitionKey,
    row.keyHash,
    row.eventId,
    row.specVersion,
    row.eventType,
    row.source,
    row.subject,
    row.dataContentType,
    row.dataSchema,
    row.data,
    row.dataBinary === null ? null : hexOf(row.dataBinary),
    row.extensions,
    row.eventTime,
    row.scheduledAt === null ? null : toSqlDate(row.scheduledAt),
    row.delay / 1000,
    row.maxRetries,
    row.publisherBackend,
    row.publisherConfig,
  ])
  return { strings, values: [JSON.stringify(values)] }
}

/** Reads the rows that `insert` returned. */
export function inserted(rows: readonly Row[]): readonly InsertedRow[] {
  return rows.map((row) => readInserted(row) as InsertedRow)
}

function hexOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex')
}
