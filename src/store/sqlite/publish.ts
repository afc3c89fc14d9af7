import {
  COLUMN_NAMES,
  INSERTED_COLUMNS,
  type InsertedRow,
  NEW_MEMBERS,
  type NewOutboxEvent,
} from '../../record/columns.ts'
import { insertRows } from '../insert-rows.ts'
import { namedRowReader } from '../rows.ts'
import type { PublishStore } from '../store.ts'
import { textOfBytes, toSqlDate, toSqlId } from '../values.ts'
import { askTable } from './ask-table.ts'
import type { Tables } from './tables.ts'
import { FOREIGN_READERS, foreignSelectList, NOW, nowPlus } from './values.ts'

/** The statements that run on the caller's transaction: insert, find the duplicate. */
export function publishTexts(t: Tables): readonly [readonly string[], readonly string[]] {
  return [insertText(t), findDuplicateText(t)]
}

export function publish(t: Tables): PublishStore {
  const [insertStrings, findStrings] = publishTexts(t)
  return {
    /** Rows of a key are inserted in the given order, which becomes that of `seq`. */
    insert: (rows) =>
      insertRows(rows, { bytes: BYTES_PER_INSERT }, function* (some) {
        const values = [JSON.stringify(some.map(parameterOf))]
        const returned = yield* askTable(t.events, { strings: insertStrings, values })
        return returned.map((row) => readInserted(row) as InsertedRow)
      }),
    *findDuplicate(row) {
      const values = [toSqlId(row.id), row.source, row.eventId, row.publisherBackend]
      const [found] = yield* askTable(t.events, { strings: findStrings, values })
      return found && readRow(found)
    },
  }
}

const readInserted = namedRowReader(INSERTED_COLUMNS, FOREIGN_READERS)

/** Bytes of one statement: a text in SQLite has at most a gigabyte, and some builds allow less. */
const BYTES_PER_INSERT = 16_000_000

/**
 * One statement with one JSON parameter for any number of rows: an array of arrays read by position, which takes 0.7 of
 * the time of reading by name. `data` is a string in it, so that its text survives; bytes are hexadecimal digits, since
 * SQLite cannot decode Base64.
 */
function insertText(t: Tables): readonly string[] {
  const of = (member: keyof NewOutboxEvent): string => `json_extract(value, '$[${NEW_MEMBERS.indexOf(member)}]')`
  const due = `coalesce(${of('scheduledAt')}, ${nowPlus(of('delay'))})`
  return [
    `INSERT INTO ${t.events} (
       id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type, data_schema,
       data, data_binary, extensions, event_time, status, created_at, updated_at, scheduled_at, available_at,
       retry_count, max_retries, last_error, publisher_backend, publisher_config)
     SELECT
       ${of('id')}, coalesce(${of('keyHash')}, random() & 9223372036854775807) % (SELECT lanes FROM ${t.settings}),
       ${of('partitionKey')}, ${of('eventId')}, ${of('specVersion')}, ${of('eventType')}, ${of('source')}, ${of('subject')},
       ${of('dataContentType')}, ${of('dataSchema')}, ${of('data')}, unhex(${of('dataBinary')}), ${of('extensions')},
       ${of('eventTime')}, 'pending', ${NOW}, ${NOW}, ${due}, CASE WHEN ${due} > ${NOW} THEN ${due} END,
       0, ${of('maxRetries')}, '', ${of('publisherBackend')}, ${of('publisherConfig')}
     FROM json_each(`,
    `)
     WHERE true
     ON CONFLICT DO NOTHING
     RETURNING ${foreignSelectList(INSERTED_COLUMNS)}`,
  ]
}

function parameterOf(row: NewOutboxEvent): readonly unknown[] {
  const written = {
    ...row,
    id: toSqlId(row.id),
    dataBinary: row.dataBinary && textOfBytes(row.dataBinary, 'hex'),
    scheduledAt: row.scheduledAt && toSqlDate(row.scheduledAt),
    delay: row.delay / 1000,
  }
  return NEW_MEMBERS.map((member) => written[member])
}

const readRow = namedRowReader(COLUMN_NAMES, FOREIGN_READERS)

/** The stored row that made an insert leave this event out: the same id, or the same (source, event id, backend). */
function findDuplicateText(t: Tables): readonly string[] {
  return [
    `SELECT ${foreignSelectList(COLUMN_NAMES)} FROM ${t.events} WHERE id = `,
    ' OR (source = ',
    ' AND event_id = ',
    ' AND publisher_backend = ',
    ') LIMIT 1',
  ]
}
