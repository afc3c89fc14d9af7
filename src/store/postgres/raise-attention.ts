import type { Tables } from './tables.ts'

/**
 * For statements by operators, after a part `changed` of rows (publisher_backend, lane): raises the attention of the
 * lanes concerned and notifies the relays, in the same commit. `$2` is the events table. A row without a backend's
 * name is answered by the default one, which the store does not know: then that lane of every backend is told.
 * Use `told` in the statement, or nothing is notified: it has one row.
 */
export function raiseAttention(t: Tables): string {
  return `attended AS (
  UPDATE ${t.lanes} AS l
  SET attention = l.attention + 1
  FROM (SELECT DISTINCT publisher_backend, lane FROM changed) AS c
  WHERE l.lane = c.lane AND (l.backend = c.publisher_backend OR c.publisher_backend = '')
), told AS (
  SELECT CASE WHEN EXISTS (SELECT FROM changed) THEN pg_notify('broadcaster_' || $2::regclass::oid, '') END AS told
)`
}
