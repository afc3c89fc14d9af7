import { type InboxStore, listedEntry } from '../inbox-store.ts'
import { fromSqlDate } from '../values.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/** What each consumer has handled. */
export function inbox(client: Client, t: Tables): InboxStore {
  // Waits for another transaction that has entered the same and not ended yet: that is what the unique index does.
  const enterStrings = [
    `INSERT INTO ${t.inbox} (consumer, source, event_id) VALUES (CAST(`,
    ' AS text), CAST(',
    ' AS text), CAST(',
    ' AS text)) ON CONFLICT DO NOTHING RETURNING 1 AS entered',
  ]
  const where = [
    ' WHERE consumer = CAST(',
    ' AS text) AND source = CAST(',
    ' AS text) AND event_id = CAST(',
    ' AS text)',
  ]
  const findStrings = [`SELECT 1 AS found FROM ${t.inbox}${where[0]}`, ...where.slice(1)]
  const withdrawStrings = [`DELETE FROM ${t.inbox}${where[0]}`, ...where.slice(1)]
  // By the index on handled_at; several that prune at once take different rows and do not wait for each other.
  const pruneText = `
WITH deleted AS (
  DELETE FROM ${t.inbox} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${t.inbox}
    WHERE handled_at <= statement_timestamp() - $1::float8 * interval '1 millisecond'
    ORDER BY handled_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED))
  RETURNING 1)
SELECT count(*) AS count FROM deleted`
  const listed = `
SELECT consumer, source, event_id, to_char(handled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at FROM ${t.inbox}`
  const newestFirst = 'ORDER BY handled_at DESC, consumer DESC, source DESC, event_id DESC LIMIT'
  const firstText = `${listed} ${newestFirst} $1`
  const nextText = `${listed}
WHERE handled_at <= ($2::timestamp AT TIME ZONE 'UTC')
  AND (handled_at < ($2::timestamp AT TIME ZONE 'UTC') OR (consumer, source, event_id) < ($3::text, $4::text, $5::text))
${newestFirst} $1`
  return {
    *enter({ consumer, source, eventId }) {
      const entered = yield { strings: enterStrings, values: [consumer, source, eventId] }
      return entered.length > 0
    },
    *find({ consumer, source, eventId }) {
      const found = yield { strings: findStrings, values: [consumer, source, eventId], effect: 'reads' }
      return found.length > 0
    },
    *withdraw({ consumer, source, eventId }) {
      yield { strings: withdrawStrings, values: [consumer, source, eventId] }
    },
    async list({ after, limit }) {
      const rows = after
        ? await client.query(nextText, [limit, after.at, after.consumer, after.source, after.eventId])
        : await client.query(firstText, [limit])
      return rows.map((row) => listedEntry(row, fromSqlDate))
    },
    async prune({ age, limit }) {
      const [row] = await client.query(pruneText, [age, limit])
      return Number(row?.['count'])
    },
  }
}
