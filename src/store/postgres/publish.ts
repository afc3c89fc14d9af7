import { COLUMN_NAMES, INSERTED_COLUMNS, type InsertedRow, type NewOutboxEvent } from '../../record/columns.ts'
import { insertRows } from '../insert-rows.ts'
import { namedRowReader, plainName } from '../rows.ts'
import type { PublishStore } from '../store.ts'
import { textOfBytes } from '../values.ts'
import { SESSION } from './kept-plans.ts'
import { refuseEncoding, SESSION_ENCODING } from './session-encoding.ts'
import type { Tables } from './tables.ts'
import { READERS, selectList } from './values.ts'

export function publish(t: Tables): PublishStore {
  return { insert: insert(t), findDuplicate: findDuplicate(t) }
}

/**
 * Bytes of one statement. A text has at most a gigabyte on the server and half of that here, and the server holds it
 * several times while it reads the JSON.
 */
const BYTES_PER_INSERT = 16_000_000

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
function insert(t: Tables): PublishStore['insert'] {
  const before = `INSERT INTO ${t.events} AS e (
  id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type, data_schema,
  data, data_binary, extensions, event_time, created_at, updated_at, scheduled_at, available_at, max_retries,
  publisher_backend, publisher_config)
SELECT
  r.id,
  CASE WHEN r."keyHash" IS NULL THEN floor(random() * (SELECT lanes FROM ${t.settings}))
    ELSE r."keyHash" % (SELECT lanes FROM ${t.settings}) END,
  r."partitionKey", r."eventId", r."specVersion", r."eventType", r.source, r.subject, r."dataContentType", r."dataSchema",
  CAST(r.data AS json), decode(r."dataBinary", 'base64'), CAST(r.extensions AS json), r."eventTime",
  statement_timestamp(), statement_timestamp(), due.at,
  CASE WHEN due.at > statement_timestamp() THEN due.at END,
  r."maxRetries", r."publisherBackend", CAST(r."publisherConfig" AS json)
FROM json_to_recordset(CAST(CAST(`
  const after = ` AS text) AS json)) AS r(
    id uuid, "keyHash" bigint, "partitionKey" text, "eventId" text, "specVersion" text, "eventType" text, source text,
    subject text, "dataContentType" text, "dataSchema" text, data text, "dataBinary" text, extensions text,
    "eventTime" text, "scheduledAt" timestamptz, delay double precision, "maxRetries" integer, "publisherBackend" text,
    "publisherConfig" text)
  CROSS JOIN LATERAL (
    SELECT coalesce(r."scheduledAt", statement_timestamp() + r.delay * interval '1 millisecond') AS at) AS due
ON CONFLICT DO NOTHING
RETURNING ${selectList(INSERTED_COLUMNS, plainName)}, ${SESSION_ENCODING} AS encoding, ${SESSION} AS session`
  const strings = [before, after]
  return (rows) =>
    insertRows(rows, { bytes: BYTES_PER_INSERT }, function* (some) {
      const returned = yield { strings, values: [JSON.stringify(some.map(parameterOf))], keep: true }
      // What this throws rolls the caller's transaction back.
      if (returned[0] !== undefined) refuseEncoding(returned[0]['encoding'])
      return returned.map((row) => readInserted(row) as InsertedRow)
    })
}

const readInserted = namedRowReader(INSERTED_COLUMNS, READERS)

function parameterOf({ dataBinary, ...row }: NewOutboxEvent): object {
  return { ...row, dataBinary: dataBinary && textOfBytes(dataBinary, 'base64') }
}

/** Selects the stored row of an event that was left out by `insert`: the same identity, or else the same id. */
function findDuplicate(t: Tables): PublishStore['findDuplicate'] {
  const strings = [
    `SELECT ${selectList(COLUMN_NAMES, plainName)}
FROM ${t.events} AS e
WHERE e.id = CAST(CAST(`,
    ` AS text) AS uuid)
  OR (e.source = CAST(`,
    ` AS text) AND e.event_id = CAST(`,
    ` AS text) AND e.publisher_backend = CAST(`,
    ` AS text))
ORDER BY e.event_id IS NULL, e.seq
LIMIT 1`,
  ]
  return function* (row) {
    const [found] = yield { strings, values: [row.id, row.source, row.eventId, row.publisherBackend] }
    return found && readRow(found)
  }
}

const readRow = namedRowReader(COLUMN_NAMES, READERS)
