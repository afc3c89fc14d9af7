import { COLUMN_NAMES, INSERTED_COLUMNS, type InsertedRow, type NewOutboxEvent } from '../../record/columns.ts'
import { hasOwnId, insertRows } from '../insert-rows.ts'
import type { Program } from '../program.ts'
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
 * A publish has four texts, whose plans the server can keep: one usual event, or any number of rows as one JSON text; and each
 * with or without a look for duplicates, which only an event with an id of the caller's can have. To read the JSON takes the
 * server 27 us, to look for duplicates 3 us and 48 bytes of its log for each row.
 *
 * They run on the caller's transaction, through any library: parameters of type text, results as text under names without capitals
 * or underscores (some libraries rename columns), no `?` and no `:name`.
 *
 * They take no lock that another transaction waits for, but one: two transactions that publish the same event wait for
 * each other, since only the first to commit may have it.
 */
function insert(t: Tables): PublishStore['insert'] {
  const one = textsOf(insertOne(t), `${selectList(MADE_OF_ONE, plainName)}, ${SESSION_COLUMNS}`)
  const many = textsOf(insertMany(t), `${selectList(INSERTED_COLUMNS, plainName)}, ${SESSION_COLUMNS}`)
  return (rows) => {
    const [row] = rows
    if (rows.length === 1 && row && isUsual(row)) return insertUsual(row)
    return insertRows(rows, { bytes: BYTES_PER_INSERT }, function* (some) {
      const values = [JSON.stringify(some.map(parameterOf))]
      const returned = yield { strings: many[some.some(hasOwnId) ? 'known' : 'fresh'], values, keep: true }
      // What this throws rolls the caller's transaction back.
      if (returned[0] !== undefined) refuseEncoding(returned[0]['encoding'])
      return returned.map((each) => readInserted(each) as InsertedRow)
    })
  }

  function* insertUsual(row: NewOutboxEvent): Program<readonly InsertedRow[]> {
    const strings = one[hasOwnId(row) ? 'known' : 'fresh']
    const [made] = yield { strings, values: ONE_VALUES.map((value) => value(row)), keep: true }
    if (made === undefined) return []
    refuseEncoding(made['encoding'])
    const { createdAt: now, ...rest } = readMade(made) as Pick<InsertedRow, (typeof MADE_OF_ONE)[number]>
    return [{ id: row.id, ...rest, createdAt: now, updatedAt: now, scheduledAt: now, availableAt: null }]
  }
}

/** One that is due at once, and whose data is text. */
function isUsual({ scheduledAt, delay, dataBinary }: NewOutboxEvent): boolean {
  return scheduledAt === null && delay === 0 && dataBinary === null
}

interface InsertTexts {
  /** Leaves out what is stored. */
  readonly known: readonly string[]
  readonly fresh: readonly string[]
}

/** `parts`: the statement up to RETURNING, around its values. */
function textsOf(parts: readonly string[], returning: string): InsertTexts {
  const withEnd = (end: string): readonly string[] => parts.with(-1, `${parts.at(-1)}\n${end}`)
  return {
    known: withEnd(`ON CONFLICT DO NOTHING\nRETURNING ${returning}`),
    fresh: withEnd(`RETURNING ${returning}`),
  }
}

const SESSION_COLUMNS = `${SESSION_ENCODING} AS encoding, ${SESSION} AS session`
/** What the server makes of a usual event; its other times are the same. */
const MADE_OF_ONE = ['seq', 'lane', 'createdAt'] as const

/** The values of `insertOne`. Without a key any lane will do. */
const ONE_VALUES: readonly ((row: NewOutboxEvent) => string | null)[] = [
  ({ id }) => id,
  ({ keyHash }) => String(keyHash ?? Math.floor(Math.random() * 2 ** 32)),
  ({ partitionKey }) => partitionKey,
  ({ eventId }) => eventId,
  ({ specVersion }) => specVersion,
  ({ eventType }) => eventType,
  ({ source }) => source,
  ({ subject }) => subject,
  ({ dataContentType }) => dataContentType,
  ({ dataSchema }) => dataSchema,
  ({ data }) => data,
  ({ extensions }) => extensions,
  ({ eventTime }) => eventTime,
  ({ maxRetries }) => String(maxRetries),
  ({ publisherBackend }) => publisherBackend,
  ({ publisherConfig }) => publisherConfig,
]

/** One lookup of the number of lanes, which a plan for all values and a plan for these share: then the server keeps the first. */
function insertOne(t: Tables): readonly string[] {
  return [
    `INSERT INTO ${t.events} AS e (
  id, lane, partition_key, event_id, spec_version, event_type, source, subject, data_content_type, data_schema,
  data, extensions, event_time, max_retries, publisher_backend, publisher_config, created_at, updated_at, scheduled_at)
VALUES (CAST(CAST(`,
    ` AS text) AS uuid), CAST(CAST(`,
    ` AS text) AS bigint) % (SELECT lanes FROM ${t.settings}), CAST(`,
    ...Array.from({ length: 7 }, () => ' AS text), CAST('),
    ' AS text), CAST(CAST(',
    ' AS text) AS json), CAST(CAST(',
    ' AS text) AS json), CAST(',
    ' AS text), CAST(CAST(',
    ' AS text) AS integer), CAST(',
    ' AS text), CAST(CAST(',
    ' AS text) AS json), statement_timestamp(), statement_timestamp(), statement_timestamp())',
  ]
}

/** `data` is a JSON string inside the one value, which keeps its text as it is. */
function insertMany(t: Tables): readonly string[] {
  return [
    `INSERT INTO ${t.events} AS e (
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
FROM json_to_recordset(CAST(CAST(`,
    ` AS text) AS json)) AS r(
    id uuid, "keyHash" bigint, "partitionKey" text, "eventId" text, "specVersion" text, "eventType" text, source text,
    subject text, "dataContentType" text, "dataSchema" text, data text, "dataBinary" text, extensions text,
    "eventTime" text, "scheduledAt" timestamptz, delay double precision, "maxRetries" integer, "publisherBackend" text,
    "publisherConfig" text)
  CROSS JOIN LATERAL (
    SELECT coalesce(r."scheduledAt", statement_timestamp() + r.delay * interval '1 millisecond') AS at) AS due`,
  ]
}

const readInserted = namedRowReader(INSERTED_COLUMNS, READERS)
const readMade = namedRowReader(MADE_OF_ONE, READERS)

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
