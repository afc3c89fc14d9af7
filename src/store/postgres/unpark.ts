import { LOCKED_AGAIN } from '../locked-rows.ts'
import type { UnparkReport } from '../relay-store.ts'
import type { Client } from './client.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './literals.ts'
import type { Tables } from './tables.ts'

/**
 * Brings parked events whose time has come back into the hot index. Reads the parked index only, and there no more
 * than the limit and one row of each lane. A row that somebody has locked stays for the next time, and so do those of its key:
 * later ones would overtake it.
 */
export function unpark(client: Client, t: Tables) {
  const text = `
WITH due AS (
  SELECT p.id, p.lane, p.partition_key, p.place
  FROM unnest($2::int[]) AS l(lane)
  CROSS JOIN LATERAL (
    SELECT e.id, l.lane, e.partition_key, row_number() OVER (ORDER BY e.available_at, e.seq) AS place
    FROM unnest($1::text[]) AS n(name)
    CROSS JOIN LATERAL (
      SELECT e.id, e.partition_key, e.available_at, e.seq
      FROM ${t.events} AS e
      WHERE e.publisher_backend = n.name AND e.lane = l.lane
        AND e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}
        AND e.available_at <= statement_timestamp()
      ORDER BY e.available_at
      LIMIT $3::bigint + 1) AS e
  ) AS p
), free AS (
  SELECT e.id, e.lane, e.partition_key FROM ${t.events} AS e
  WHERE e.id IN (SELECT due.id FROM due WHERE due.place <= $3::bigint)
    AND e.available_at <= statement_timestamp() AND e.status IN ${UNSETTLED}
  ORDER BY e.id
  FOR NO KEY UPDATE SKIP LOCKED
), stuck AS (
  SELECT due.lane, due.partition_key FROM due
  WHERE due.place <= $3::bigint AND due.id NOT IN (SELECT free.id FROM free)
), woken AS (
  UPDATE ${t.events} AS e
  SET available_at = NULL
  FROM free
  WHERE e.id = free.id
    AND NOT EXISTS (SELECT FROM stuck AS s WHERE s.lane = free.lane AND s.partition_key = free.partition_key)
    AND e.available_at <= statement_timestamp() AND e.status IN ${UNSETTLED}
  RETURNING e.lane, e.seq
), next AS (
  SELECT min(e.available_at) AS at
  FROM unnest($1::text[]) AS n(name)
  CROSS JOIN unnest($2::int[]) AS l(lane)
  CROSS JOIN LATERAL (
    SELECT e.available_at
    FROM ${t.events} AS e
    WHERE e.publisher_backend = n.name AND e.lane = l.lane
      AND e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}
      AND e.available_at > statement_timestamp() AND e.available_at < ${FAR_FUTURE_SQL}
    ORDER BY e.available_at
    LIMIT 1) AS e
)
SELECT lane, min(seq) AS first, count(*) AS count, NULL AS next FROM woken GROUP BY lane
UNION ALL
SELECT NULL, NULL, NULL, CASE
  WHEN EXISTS (SELECT FROM due WHERE place > $3::bigint) THEN 0
  ELSE least((SELECT date_part('epoch', at - statement_timestamp()) * 1000 FROM next),
    CASE WHEN EXISTS (SELECT FROM stuck) THEN ${LOCKED_AGAIN} END) END`

  return async (names: readonly string[], lanes: readonly number[], limitPerLane: number): Promise<UnparkReport> => {
    if (lanes.length === 0 || names.length === 0) return { woken: [], nextDueIn: null }
    const rows = await client.query(text, [names, lanes, limitPerLane])
    let nextDueIn: number | null = null
    const woken: { lane: number; firstSeq: number; count: number }[] = []
    for (const { lane, first, count, next } of rows) {
      if (lane != null) woken.push({ lane: Number(lane), firstSeq: Number(first), count: Number(count) })
      else if (next != null) nextDueIn = Number(next)
    }
    return { woken, nextDueIn }
  }
}
