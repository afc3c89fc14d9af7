import type { BackendStats, OutboxStats } from '../admin-store.ts'
import type { Client, RawRow } from './client.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './literals.ts'
import type { Tables } from './tables.ts'

/** A table of at most this many pages (8 MB) is counted; of a larger one the planner's estimate is told. */
const COUNTED_PAGES = 1_000

/**
 * Numbers for people and monitors, from the three partial indexes: no published row is read, however many there are.
 * The oldest due event is looked for among the first of each lane by `seq`.
 */
export function stats(client: Client, t: Tables) {
  const backends = `
WITH hot AS (
  SELECT e.publisher_backend AS backend, count(*) AS pending
  FROM ${t.events} AS e
  WHERE e.available_at IS NULL AND e.status IN ${UNSETTLED}
  GROUP BY e.publisher_backend
), parked AS (
  SELECT e.publisher_backend AS backend, count(*) AS parked,
    count(*) FILTER (WHERE e.available_at = ${FAR_FUTURE_SQL}) AS blocked
  FROM ${t.events} AS e
  WHERE e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}
  GROUP BY e.publisher_backend
), troubled AS (
  SELECT e.publisher_backend AS backend,
    count(*) FILTER (WHERE e.status = 'retry') AS retrying,
    count(*) FILTER (WHERE e.status = 'failed') AS failed,
    count(DISTINCT e.partition_key) FILTER (WHERE e.status = 'failed' AND e.available_at IS NOT NULL) AS blocked_keys
  FROM ${t.events} AS e
  WHERE e.status IN ('retry', 'failed')
  GROUP BY e.publisher_backend
)
SELECT b.backend, hot.pending, parked.parked, parked.blocked, troubled.retrying, troubled.failed, troubled.blocked_keys,
  (SELECT date_part('epoch', statement_timestamp() - min(oldest.scheduled_at)) * 1000
    FROM generate_series(0, (SELECT lanes FROM ${t.settings}) - 1) AS l(lane)
    CROSS JOIN LATERAL (
      SELECT e.scheduled_at
      FROM ${t.events} AS e
      WHERE e.publisher_backend = hot.backend AND e.lane = l.lane
        AND e.available_at IS NULL AND e.status IN ${UNSETTLED}
      ORDER BY e.seq
      LIMIT 1) AS oldest
    WHERE oldest.scheduled_at <= statement_timestamp()) AS oldest
FROM (
  SELECT backend FROM hot UNION SELECT backend FROM parked UNION SELECT backend FROM troubled
  UNION SELECT backend FROM ${t.lanes}) AS b
LEFT JOIN hot USING (backend)
LEFT JOIN parked USING (backend)
LEFT JOIN troubled USING (backend)
ORDER BY b.backend`

  const total = `
SELECT c.reltuples, c.relpages, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
FROM pg_class AS c WHERE c.oid = $1::regclass`

  const count = `SELECT count(*) AS count FROM ${t.events}`

  return (): Promise<OutboxStats> =>
    client.transaction(async (tx) => {
      // The planner overrates the cost of reading 64 lanes so much that it would compile the query for half a second.
      await tx.query('SET LOCAL jit = off')
      const rows = await tx.query(backends)
      const [size] = await tx.query(total, [t.events])
      const pages = Number(size?.['pages'] ?? 0)
      const exact = pages <= COUNTED_PAGES ? await tx.query(count) : undefined
      return {
        backends: rows.map(statsOf),
        totalRows: exact ? Number(exact[0]?.['count'] ?? 0) : estimate(size, pages),
        totalRowsIsEstimate: exact === undefined,
      }
    })
}

/** The density at the last ANALYZE times the pages of now, as the planner itself does it. */
function estimate(size: RawRow | undefined, pages: number): number {
  const rows = Number(size?.['reltuples'] ?? 0)
  const analysedPages = Number(size?.['relpages'] ?? 0)
  // Never analysed: 16 rows of 500 bytes a page.
  const density = rows > 0 && analysedPages > 0 ? rows / analysedPages : 16
  return Math.round(density * pages)
}

function statsOf(row: RawRow): BackendStats {
  const oldest = row['oldest']
  return {
    backend: row['backend'] ?? '',
    pending: Number(row['pending'] ?? 0),
    parked: Number(row['parked'] ?? 0),
    blocked: Number(row['blocked'] ?? 0),
    retrying: Number(row['retrying'] ?? 0),
    failed: Number(row['failed'] ?? 0),
    blockedKeys: Number(row['blocked_keys'] ?? 0),
    oldestPendingAge: oldest == null ? null : Number(oldest),
  }
}
