import { aroundLocked } from '../locked-rows.ts'
import type { HeldHead } from '../relay-store.ts'
import type { Client, RawRow } from './client.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './literals.ts'
import { isLocked } from './store-error.ts'
import type { Tables } from './tables.ts'

/** Rows released by one statement: a key with a million events behind it must not make one transaction of a minute. */
const RELEASED_AT_ONCE = 10_000

/**
 * Releases what waits behind keys that nothing holds any longer, and returns the heads that hold their key. What waits
 * for an event between retries is parked until that one's time, and so released when that one was moved or is gone; what
 * is scheduled for later is left alone.
 * A relay calls it before it reads lanes that it has just taken, so nothing of them is fetched in between.
 *
 * A retry that is due but still parked is brought back by it, too: otherwise a relay that fetches before its first
 * `unpark` would send a later event of that key first. What somebody has locked, of these and of what waits, stays
 * for the next time, and is a head for what comes after it.
 */
export function reconcile(client: Client, t: Tables) {
  const found = `WITH blocked AS MATERIALIZED (
  SELECT DISTINCT f.lane, f.partition_key
  FROM ${t.events} AS f
  WHERE f.publisher_backend = ANY ($1::text[]) AND f.lane = ANY ($2::int[])
    AND f.status = 'failed' AND f.available_at IS NOT NULL AND f.partition_key IS NOT NULL
), retrying AS MATERIALIZED (
  SELECT DISTINCT r.publisher_backend, r.lane, r.partition_key
  FROM ${t.events} AS r
  WHERE r.publisher_backend = ANY ($1::text[]) AND r.lane = ANY ($2::int[])
    AND r.status IN ('retry', 'failed') AND r.available_at > statement_timestamp() AND r.partition_key IS NOT NULL
), lanes AS (
  SELECT n.name, l.lane FROM unnest($1::text[]) AS n(name) CROSS JOIN unnest($2::int[]) AS l(lane)
), free AS (
  (SELECT e.id, e.available_at
  FROM lanes AS l
  CROSS JOIN LATERAL (
    SELECT e.id, e.lane, e.partition_key, e.available_at
    FROM ${t.events} AS e
    WHERE e.publisher_backend = l.name AND e.lane = l.lane
      AND e.available_at = ${FAR_FUTURE_SQL} AND e.status IN ${UNSETTLED}) AS e
  WHERE NOT EXISTS (SELECT FROM blocked AS b WHERE b.lane = e.lane AND b.partition_key = e.partition_key)
  LIMIT ${RELEASED_AT_ONCE})
  UNION ALL
  (SELECT e.id, e.available_at
  FROM lanes AS l
  CROSS JOIN LATERAL (
    SELECT e.id, e.lane, e.partition_key, e.available_at
    FROM ${t.events} AS e
    WHERE e.publisher_backend = l.name AND e.lane = l.lane
      AND e.available_at > statement_timestamp() AND e.available_at < ${FAR_FUTURE_SQL} AND e.status IN ${UNSETTLED}
      AND e.status <> 'retry' AND e.scheduled_at <= statement_timestamp() AND e.partition_key IS NOT NULL) AS e
  WHERE NOT EXISTS (
    SELECT FROM retrying AS r
    WHERE r.publisher_backend = l.name AND r.lane = e.lane AND r.partition_key = e.partition_key)
  LIMIT ${RELEASED_AT_ONCE})`

  const release = `
${found}
), released AS (
  UPDATE ${t.events} AS e
  SET available_at = NULL
  FROM free
  WHERE e.id = free.id AND e.available_at = free.available_at AND e.status IN ${UNSETTLED}
  RETURNING e.id
)
SELECT count(*) AS count FROM released`

  /** The same around what somebody has locked, of which it tells. */
  const releaseAround = `
${found}
), unlocked AS (
  SELECT e.id, free.available_at
  FROM free JOIN ${t.events} AS e ON e.id = free.id
  WHERE e.available_at = free.available_at AND e.status IN ${UNSETTLED}
  FOR NO KEY UPDATE OF e SKIP LOCKED
), released AS (
  UPDATE ${t.events} AS e
  SET available_at = NULL
  FROM unlocked
  WHERE e.id = unlocked.id
  RETURNING e.id
), locked AS (
  SELECT e.id, e.seq, e.lane, e.partition_key, e.generation
  FROM free JOIN ${t.events} AS e ON e.id = free.id
  WHERE NOT EXISTS (SELECT FROM unlocked AS u WHERE u.id = free.id) AND e.partition_key IS NOT NULL
)
SELECT id, seq, lane, partition_key AS key, generation, 0 AS due, NULL AS count FROM locked
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, count(*) FROM released`

  const headsOf = (due: string, isHead: string): string => `
WITH ${due}
SELECT e.id, e.seq, e.lane, e.partition_key AS key, e.generation,
  CASE e.status WHEN 'retry' THEN date_part('epoch', e.available_at - statement_timestamp()) * 1000 END AS due
FROM ${t.events} AS e
WHERE e.publisher_backend = ANY ($1::text[]) AND e.lane = ANY ($2::int[])
  AND e.status IN ('retry', 'failed') AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
  AND (e.status = 'failed' OR e.available_at > statement_timestamp()${isHead})
ORDER BY e.seq`
  const isDue = `e.publisher_backend = ANY ($1::text[]) AND e.lane = ANY ($2::int[])
    AND e.status = 'retry' AND e.partition_key IS NOT NULL AND e.available_at <= statement_timestamp()`
  const heads = headsOf(`due AS (UPDATE ${t.events} AS e SET available_at = NULL WHERE ${isDue})`, '')
  const headsAround = headsOf(
    `unlocked AS (
  SELECT e.id FROM ${t.events} AS e WHERE ${isDue}
  FOR NO KEY UPDATE SKIP LOCKED
), due AS (
  UPDATE ${t.events} AS e SET available_at = NULL FROM unlocked WHERE e.id = unlocked.id
)`,
    ' OR NOT EXISTS (SELECT FROM unlocked AS u WHERE u.id = e.id)',
  )
  const choose = aroundLocked<readonly HeldHead[]>(isLocked)

  const run = async (names: readonly string[], lanes: readonly number[], heads: string, release: string) => {
    // The heads first: one that is moved from here on is known as a head, and its lane looked at again when it comes.
    const rows = await client.query(heads, [names, lanes])
    const locked = new Map<string, RawRow>()
    for (;;) {
      const answer = await client.query(release, [names, lanes])
      for (const row of answer) if (row['id'] != null) locked.set(row['id'], row)
      if (Number(answer.at(-1)?.['count'] ?? 0) < RELEASED_AT_ONCE) break
    }
    return [...rows, ...locked.values()].map(({ id, seq, lane, key, generation, due }) => ({
      id: id ?? '',
      seq: Number(seq),
      lane: Number(lane),
      partitionKey: key ?? '',
      generation: Number(generation),
      dueIn: due == null ? null : Number(due),
    }))
  }

  return async (names: readonly string[], lanes: readonly number[]): Promise<readonly HeldHead[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    return choose(
      () => run(names, lanes, heads, release),
      () => run(names, lanes, headsAround, releaseAround),
    )
  }
}
