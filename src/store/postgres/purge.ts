import type { RetentionStore } from '../retention-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * Rows read by one statement: a short transaction, and few enough that the planner never prefers to read and sort the
 * table.
 */
const PAGE = 1_000
/** Statements in one call. What is left is for the next call, which goes on where this one stopped. */
const PAGES = 100
const FIRST = '00000000-0000-0000-0000-000000000000'

/** The smallest UUID v7 of an instant, as SQL. */
function uuidAt(instant: string): string {
  return `encode(overlay(decode('00000000000070008000000000000000', 'hex')
    placing substring(int8send((date_part('epoch', ${instant}) * 1000)::bigint) from 3) from 1 for 6), 'hex')::uuid`
}

/**
 * Whether a row may go. It is asked of the row itself by whatever locks or deletes it: PostgreSQL looks again, after a
 * wait, at conditions on that row alone, and an operator may have requeued it meanwhile.
 */
function isOld(row: string): string {
  return `(
    (${row}.status = 'published' AND ${row}.published_at < statement_timestamp() - $2::float8 * interval '1 millisecond')
    OR (${row}.status IN ('failed', 'cancelled')
      AND ${row}.updated_at < statement_timestamp() - $3::float8 * interval '1 millisecond'))`
}

/**
 * Retention. No index holds published rows by status or time, so it walks the primary key, page by page. Ids are
 * UUID v7 as a rule, so the old rows come first, and the walk ends at the page with the first id that is too young. Rows with a
 * v4 id (made by Django) sort after those, mostly; they are reached when the walk goes on past the ids of today, which costs
 * one index probe where there are none.
 *
 * The walk remembers where it was: rows that must stay (a dead letter kept for ever, 100,000 events behind a blocked
 * key) are passed once in a round, not once in a call. A call therefore may return less than `limit` although more
 * could go; the next finds it.
 *
 * The lanes of failed events that blocked their key are notified, so that what waits behind them is released.
 */
export function purge(client: Client, t: Tables): RetentionStore['purge'] {
  const text = `
WITH page AS MATERIALIZED (
  SELECT e.id, e.status, e.published_at, e.updated_at
  FROM ${t.events} AS e
  WHERE e.id > CASE WHEN $6::boolean
    THEN greatest($1::uuid, ${uuidAt(`statement_timestamp() + interval '1 day'`)})
    ELSE $1::uuid END
  ORDER BY e.id
  LIMIT $5
), old AS (
  SELECT e.id FROM ${t.events} AS e
  WHERE e.id IN (SELECT p.id FROM page AS p WHERE ${isOld('p')}) AND ${isOld('e')}
  ORDER BY e.id
  LIMIT $4
  FOR UPDATE OF e SKIP LOCKED
), gone AS (
  DELETE FROM ${t.events} AS e USING old WHERE e.id = old.id AND ${isOld('e')}
  RETURNING e.id, e.publisher_backend, e.lane, e.status = 'failed' AND e.available_at IS NOT NULL AS blocked
), told AS (
  UPDATE ${t.lanes} AS l
  SET attention = l.attention + 1
  FROM (SELECT DISTINCT publisher_backend, lane FROM gone WHERE blocked) AS g
  WHERE l.lane = g.lane AND (l.backend = g.publisher_backend OR g.publisher_backend = '')
)
SELECT (SELECT count(*) FROM gone) AS gone,
  (SELECT count(*) FROM old) AS old,
  (SELECT count(*) FROM page) AS seen,
  (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last_seen,
  NOT $6::boolean AND EXISTS (SELECT FROM page WHERE id >=
    ${uuidAt(`statement_timestamp() - least($2::float8, $3::float8) * interval '1 millisecond'`)}) AS too_young,
  (SELECT id FROM old ORDER BY id DESC LIMIT 1) AS last_old`

  let walk = { after: FIRST, pastToday: false }

  return async ({ publishedFor, failedFor, limit }) => {
    if ((publishedFor === null && failedFor === null) || limit <= 0) return 0
    let deleted = 0
    let wrapped = walk.after === FIRST && !walk.pastToday
    for (let n = 0; n < PAGES; n++) {
      const { after, pastToday } = walk
      const left = limit - deleted
      const [row] = await client.query(text, [after, publishedFor, failedFor, left, PAGE, pastToday])
      const seen = Number(row?.['seen'] ?? 0)
      deleted += Number(row?.['gone'] ?? 0)
      if (Number(row?.['old'] ?? 0) >= left) {
        walk = { after: row?.['last_old'] ?? FIRST, pastToday }
        break
      }
      if (seen >= PAGE && row?.['too_young'] !== 't') walk = { after: row?.['last_seen'] ?? FIRST, pastToday }
      else if (!pastToday) walk = { after: FIRST, pastToday: true }
      else {
        walk = { after: FIRST, pastToday: false }
        // A call that began in the middle sees the part before it, too.
        if (wrapped) break
        wrapped = true
      }
    }
    return deleted
  }
}
