import { aroundLocked } from '../locked-rows.ts'
import { CLOCK_AHEAD, type HeldHead, LONGEST_PARKING } from '../relay-store.ts'
import type { Client, RawRow } from './client.ts'
import { isLocked } from './store-error.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './values.ts'

/** Rows released by one statement: a key with a million events behind it must not make one transaction of a minute. */
const RELEASED_AT_ONCE = 10_000

/**
 * Releases what waits behind keys that nothing holds any longer, and returns the heads that hold their key. What waits
 * for an event between retries is parked until that one's time, and so released when that one was moved or is gone; what
 * is scheduled for later is left alone.
 * A relay calls it before it reads lanes that it has just taken, so nothing of them is fetched in between.
 *
 * A retry that is due but still parked is brought back by it, too: otherwise a relay that fetches before its first
 * `unpark` would send a later event of that key first. What is locked, of these and of what waits, stays for the next
 * time, and is a head for what comes after it.
 *
 * Where the clock was set back, what was written before lies too far ahead: a retry waits for its delay from now, and what
 * is parked for longer than the event that it waits for is released, to be parked again.
 */
export function reconcile(client: Client, t: Tables) {
  // As `unpark` does.
  const goes = 'available_at = NULL, updated_at = greatest(e.updated_at, statement_timestamp())'
  // Statistics from when nothing was parked promise one row: IS TRUE keeps a join by id from reading the parked index once
  // for each, and NOT IN over ids is hashed, where NOT EXISTS may become a join that reads one side once for each of the other.
  // What waits meets what holds it in a FULL JOIN, which is hashed or merged at any size and never a nested loop (600 blocked and
  // 600 retried keys with an event behind each: 4,000,000 rows read; so 43,000). The conditions after it let a row without the one
  // side or the other pass, or the planner would make another join of it.
  const isSame = '(e.available_at = free.available_at) IS TRUE'
  const found = `WITH blocked AS MATERIALIZED (
  SELECT DISTINCT f.lane, f.partition_key
  FROM ${t.events} AS f
  WHERE f.publisher_backend = ANY ($1::text[]) AND f.lane = ANY ($2::int[])
    AND f.status = 'failed' AND f.available_at IS NOT NULL AND f.partition_key IS NOT NULL
), retrying AS MATERIALIZED (
  SELECT r.publisher_backend, r.lane, r.partition_key, max(r.available_at) AS until
  FROM ${t.events} AS r
  WHERE r.publisher_backend = ANY ($1::text[]) AND r.lane = ANY ($2::int[])
    AND r.status IN ('retry', 'failed') AND r.available_at > statement_timestamp() AND r.partition_key IS NOT NULL
  GROUP BY r.publisher_backend, r.lane, r.partition_key
), lanes AS (
  SELECT n.name, l.lane FROM unnest($1::text[]) AS n(name) CROSS JOIN unnest($2::int[]) AS l(lane)
), free AS (
  (SELECT e.id, e.available_at
  FROM (
    SELECT e.id, e.lane, e.partition_key, e.available_at
    FROM lanes AS l
    CROSS JOIN LATERAL (
      SELECT e.id, e.lane, e.partition_key, e.available_at
      FROM ${t.events} AS e
      WHERE e.publisher_backend = l.name AND e.lane = l.lane
        AND e.available_at = ${FAR_FUTURE_SQL} AND e.status IN ${UNSETTLED}) AS e) AS e
  FULL JOIN blocked AS b ON b.lane = e.lane AND b.partition_key = e.partition_key
  WHERE b.lane IS NULL
  LIMIT ${RELEASED_AT_ONCE})
  UNION ALL
  (SELECT e.id, e.available_at
  FROM (
    SELECT e.id, l.name, e.lane, e.partition_key, e.available_at
    FROM lanes AS l
    CROSS JOIN LATERAL (
      SELECT e.id, e.lane, e.partition_key, e.available_at
      FROM ${t.events} AS e
      WHERE e.publisher_backend = l.name AND e.lane = l.lane
        AND e.available_at > statement_timestamp() AND e.available_at < ${FAR_FUTURE_SQL} AND e.status IN ${UNSETTLED}
        AND e.status <> 'retry'
        AND (e.scheduled_at <= statement_timestamp() OR e.scheduled_at <= greatest(e.created_at, e.updated_at))
        AND (e.partition_key IS NOT NULL
          OR e.available_at > statement_timestamp() + ${LONGEST_PARKING} * interval '1 millisecond')) AS e) AS e
  FULL JOIN retrying AS r ON r.publisher_backend = e.name AND r.lane = e.lane AND r.partition_key = e.partition_key
  WHERE r.lane IS NULL OR r.until < e.available_at
  LIMIT ${RELEASED_AT_ONCE})`

  /** What is not in `done`, since it is locked or changed it meanwhile, is a head; and how many were released. */
  const told = (done: string): string => `, left_out AS (
  SELECT e.id, e.seq, e.lane, e.partition_key, e.generation
  FROM free JOIN ${t.events} AS e ON e.id = free.id
  WHERE free.id NOT IN (SELECT d.id FROM ${done} AS d) AND e.partition_key IS NOT NULL
)
SELECT id, seq, lane, partition_key AS key, generation, 0 AS due, NULL AS count FROM left_out
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, count(*) FROM released`

  const release = `
${found}
), released AS (
  UPDATE ${t.events} AS e
  SET ${goes}
  FROM free
  WHERE e.id = free.id AND ${isSame} AND e.status IN ${UNSETTLED}
  RETURNING e.id
)${told('released')}`

  /** The same around locked rows. */
  const releaseAround = `
${found}
), unlocked AS (
  SELECT e.id, free.available_at
  FROM free JOIN ${t.events} AS e ON e.id = free.id
  WHERE ${isSame} AND e.status IN ${UNSETTLED}
  FOR NO KEY UPDATE OF e SKIP LOCKED
), released AS (
  UPDATE ${t.events} AS e
  SET ${goes}
  FROM unlocked
  WHERE e.id = unlocked.id
  RETURNING e.id
)${told('unlocked')}`

  const isAhead = `e.updated_at > statement_timestamp() + ${CLOCK_AHEAD} * interval '1 millisecond'`
  const headsOf = (due: string, isHead: string): string => `
WITH ${due}
SELECT e.id, e.seq, e.lane, e.partition_key AS key, e.generation,
  CASE e.status WHEN 'retry' THEN date_part('epoch', e.available_at
    - CASE WHEN ${isAhead} THEN e.updated_at ELSE statement_timestamp() END) * 1000 END AS due
FROM ${t.events} AS e
WHERE e.publisher_backend = ANY ($1::text[]) AND e.lane = ANY ($2::int[])
  AND e.status IN ('retry', 'failed') AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
  AND (e.status = 'failed' OR e.available_at > statement_timestamp()${isHead})
ORDER BY e.seq`
  const isDue = `e.publisher_backend = ANY ($1::text[]) AND e.lane = ANY ($2::int[])
    AND e.status = 'retry' AND (e.partition_key IS NOT NULL AND e.available_at <= statement_timestamp()
      OR e.available_at > statement_timestamp() AND ${isAhead})`
  const fromNow = 'e.available_at - (e.updated_at - statement_timestamp())'
  const bringBack = `UPDATE ${t.events} AS e SET
  available_at = CASE WHEN e.available_at > statement_timestamp() THEN ${fromNow} END,
  scheduled_at = CASE WHEN e.available_at > statement_timestamp() THEN ${fromNow} ELSE e.scheduled_at END,
  updated_at = CASE WHEN e.available_at > statement_timestamp() THEN statement_timestamp() ELSE greatest(e.updated_at, statement_timestamp()) END`
  const heads = headsOf(
    `due AS (${bringBack} WHERE ${isDue} RETURNING e.id)`,
    ' OR e.id NOT IN (SELECT d.id FROM due AS d)',
  )
  const headsAround = headsOf(
    `unlocked AS (
  SELECT e.id FROM ${t.events} AS e WHERE ${isDue}
  FOR NO KEY UPDATE SKIP LOCKED
), due AS (
  ${bringBack} FROM unlocked WHERE e.id = unlocked.id
)`,
    ' OR e.id NOT IN (SELECT u.id FROM unlocked AS u)',
  )
  const choose = aroundLocked<readonly HeldHead[]>(isLocked)

  const run = async (names: readonly string[], lanes: readonly number[], heads: string, release: string) => {
    // The heads first: one that is moved from here on is known as a head, and its lane reconciled again when it comes.
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
