import { LOCKED_AGAIN } from '../locked-rows.ts'
import type { HeldHead, UnparkReport } from '../relay-store.ts'
import type { Client } from './client.ts'
import { isPartitioned } from './partitions/is-partitioned.ts'
import { isIn, liveRanges } from './partitions/live-ranges.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './values.ts'

/**
 * Brings parked events whose time has come back into the hot index. Reads the parked index only, and there no more than the limit
 * and one row of each lane. a locked row stays for the next time, and so do those of its key: later ones would overtake it. What was
 * woken says when in `updated_at`, and so stays due when the clock is set back (see `fetch`).
 *
 * What is due is then looked up by id, and by a list of ids: statistics from when nothing was parked promise one row, and a join
 * would read all that is parked once for each (2,000 rows: 7 s; so 0.3 s).
 */
export function unpark(client: Client, t: Tables) {
  // IS TRUE keeps the parked index, which the condition alone would suit, out of the search by id. And a subquery within it,
  // like NOT IN, is hashed, where IN and NOT EXISTS may become a join.
  const isDue = '(e.available_at <= statement_timestamp()) IS TRUE'
  const textFor = (partitioned: boolean) => `
WITH ${partitioned ? `${liveRanges(t, 'IS NOT NULL')}, ` : ''}due AS (
  SELECT p.id, p.lane, p.partition_key, p.seq, p.generation, p.place
  FROM unnest($2::int[]) AS l(lane)
  CROSS JOIN LATERAL (
    SELECT e.id, l.lane, e.partition_key, e.seq, e.generation, row_number() OVER (ORDER BY e.available_at, e.seq) AS place
    FROM unnest($1::text[]) AS n(name)${partitioned ? ' CROSS JOIN live' : ''}
    CROSS JOIN LATERAL (
      SELECT e.id, e.partition_key, e.available_at, e.seq, e.generation
      FROM ${t.events} AS e
      WHERE e.publisher_backend = n.name AND e.lane = l.lane
        AND e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}
        AND e.available_at <= statement_timestamp()${partitioned ? ` AND ${isIn('live')}` : ''}
      ORDER BY e.available_at
      LIMIT $3::bigint + 1) AS e
  ) AS p
), free AS (
  SELECT e.id, e.lane, e.partition_key FROM ${t.events} AS e
  WHERE e.id = ANY (ARRAY(SELECT due.id FROM due WHERE due.place <= $3::bigint))
    AND ${isDue} AND e.status IN ${UNSETTLED}
  ORDER BY e.id
  FOR NO KEY UPDATE SKIP LOCKED
), stuck AS (
  SELECT due.lane, due.partition_key FROM due
  WHERE due.place <= $3::bigint AND due.id NOT IN (SELECT free.id FROM free)
), woken AS (
  UPDATE ${t.events} AS e
  SET available_at = NULL, updated_at = greatest(e.updated_at, statement_timestamp())
  WHERE e.id = ANY (ARRAY(
      SELECT free.id FROM free
      WHERE free.partition_key IS NULL OR (free.lane, free.partition_key) NOT IN (
        SELECT s.lane, s.partition_key FROM stuck AS s WHERE s.partition_key IS NOT NULL)))
    AND ${isDue} AND e.status IN ${UNSETTLED}
  RETURNING e.lane, e.seq, CASE WHEN e.status = 'retry' AND e.partition_key IS NOT NULL THEN e.id END AS head
), locked AS (
  SELECT DISTINCT ON (due.lane, due.partition_key) due.id, due.seq, due.lane, due.partition_key, due.generation FROM due
  WHERE due.place <= $3::bigint AND due.partition_key IS NOT NULL
    AND ((due.lane, due.partition_key) IN (SELECT s.lane, s.partition_key FROM stuck AS s)) IS TRUE
  ORDER BY due.lane, due.partition_key, due.seq
), next AS (
  SELECT min(e.available_at) AS at
  FROM unnest($1::text[]) AS n(name)
  CROSS JOIN unnest($2::int[]) AS l(lane)${partitioned ? ' CROSS JOIN live' : ''}
  CROSS JOIN LATERAL (
    SELECT e.available_at
    FROM ${t.events} AS e
    WHERE e.publisher_backend = n.name AND e.lane = l.lane
      AND e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}
      AND e.available_at > statement_timestamp() AND e.available_at < ${FAR_FUTURE_SQL}${partitioned ? ` AND ${isIn('live')}` : ''}
    ORDER BY e.available_at
    LIMIT 1) AS e
)
SELECT lane, min(seq) AS first, count(*) AS count, (json_agg(head) FILTER (WHERE head IS NOT NULL))::text AS told, NULL AS next, NULL AS more
FROM woken GROUP BY lane
UNION ALL
SELECT NULL, NULL, NULL, (SELECT json_agg(json_build_object('id', id, 'seq', seq, 'lane', lane, 'partitionKey', partition_key,
  'generation', generation, 'dueIn', 0)) FROM locked)::text, CASE
  WHEN EXISTS (SELECT FROM due WHERE place > $3::bigint) AND EXISTS (SELECT FROM woken) THEN 0
  ELSE least((SELECT date_part('epoch', at - statement_timestamp()) * 1000 FROM next),
    CASE WHEN EXISTS (SELECT FROM stuck) THEN ${LOCKED_AGAIN} END) END,
  (SELECT json_agg(DISTINCT lane) FROM due WHERE place > $3::bigint)::text`
  const [plain, ofPartitions] = [textFor(false), textFor(true)]
  const partitioned = isPartitioned(client, t)

  return async (names: readonly string[], lanes: readonly number[], limitPerLane: number): Promise<UnparkReport> => {
    if (lanes.length === 0 || names.length === 0) return { woken: [], heads: [], locked: [], more: [], nextDueIn: null }
    const rows = await client.query((await partitioned()) ? ofPartitions : plain, [names, lanes, limitPerLane], 'keep')
    let nextDueIn: number | null = null
    const woken: { lane: number; firstSeq: number; count: number }[] = []
    const heads: string[] = []
    const locked: HeldHead[] = []
    let more: readonly number[] = []
    for (const { lane, first, count, told, next, more: rest } of rows) {
      if (told != null && lane != null) heads.push(...(JSON.parse(String(told)) as string[]))
      if (told != null && lane == null) locked.push(...(JSON.parse(String(told)) as HeldHead[]))
      if (rest != null) more = JSON.parse(String(rest)) as number[]
      if (lane != null) woken.push({ lane: Number(lane), firstSeq: Number(first), count: Number(count) })
      else if (next != null) nextDueIn = Number(next)
    }
    return { woken, heads, locked, more, nextDueIn }
  }
}
