import { LOCKED_AGAIN } from '../locked-rows.ts'
import type { HeldHead, UnparkReport } from '../relay-store.ts'
import { fromSqlId } from '../values.ts'
import type { Client } from './client.ts'
import { isNamed } from './fetch.ts'
import { join, type Sql, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, STAGE, slices } from './values.ts'

interface Due {
  readonly id: string
  readonly lane: number
  readonly seq: number
  /** Its partition key, in hexadecimal digits. */
  readonly key: string | null
  /** Whether it is between retries. */
  readonly retries: boolean
  readonly partitionKey: string | null
  readonly generation: number
}

/**
 * Brings parked events that are due back into the hot stage. Looks at the first parked event of each lane: one index
 * lookup for each lane, name and stage, 4 ms for 64 lanes and two names with 50,000 parked; most calls end there.
 * `updated_at` says when an event was unparked, so it stays due when the clock is set back (see `fetch`).
 */
export function unpark(client: Client, t: Tables) {
  // Ordered by the lane too: to MySQL a column of another table is not a constant, and it would sort all that is
  // parked. What waits for ever comes last and is recognised by the caller: a condition here would pass over all of it.
  const firstOf = (name: string, stage: number): Sql => sql`COALESCE((
    SELECT e.available_at FROM ${t.events} AS e FORCE INDEX (${t.index.work})
    WHERE ${isNamed([name])} AND e.stage = ${stage} AND e.lane = l.lane
    ORDER BY e.lane, e.available_at LIMIT 1), ${FAR_FUTURE_SQL})`

  // Each name is a literal: a column of JSON_TABLE has its own collation, which MySQL refuses to compare with that of a
  // table that Django made.
  const firsts = (name: string, lanes: readonly number[]): Sql => sql`
  SELECT l.lane, LEAST(${firstOf(name, STAGE.parked)}, ${firstOf(name, STAGE.retrying)}) AS at
  FROM JSON_TABLE(${JSON.stringify(lanes)}, '$[*]' COLUMNS (lane smallint PATH '$')) AS l`

  const look = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT f.lane, TIMESTAMPDIFF(MICROSECOND, ${NOW}, f.at) AS due
FROM (${join(
    names.map((name) => firsts(name, lanes)),
    '\n  UNION ALL',
  )}) AS f
WHERE f.at < ${FAR_FUTURE_SQL}`

  const dueOf = (name: string, stage: number, lane: number, limit: number): Sql => sql`(
SELECT e.id, e.lane, e.seq, e.stage, e.generation, e.partition_key AS name, HEX(e.partition_key) AS held, CAST(e.available_at AS CHAR) AS at FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE ${isNamed([name])} AND e.stage = ${stage} AND e.lane = ${lane} AND e.available_at <= ${NOW}
ORDER BY e.available_at, e.seq LIMIT ${limit})`

  /** The first due rows of these lanes, `limit` of each, and which lanes have more. */
  const dueIn = async (names: readonly string[], lanes: readonly number[], limit: number) => {
    const parts = lanes.flatMap((lane) =>
      names.flatMap((name) => [STAGE.parked, STAGE.retrying].map((stage) => dueOf(name, stage, lane, limit + 1))),
    )
    const rows = (await client.query(join(parts, '\nUNION ALL\n')))
      .map((row) => ({
        id: String(row['id']),
        lane: Number(row['lane']),
        seq: Number(row['seq']),
        key: row['held'] === null ? null : String(row['held']),
        retries: Number(row['stage']) === STAGE.retrying,
        partitionKey: row['name'] === null ? null : String(row['name']),
        generation: Number(row['generation']),
        at: String(row['at']),
      }))
      .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.seq - b.seq))
    const first = lanes.flatMap((lane) => rows.filter((row) => row.lane === lane).slice(0, limit))
    return { first, more: lanes.filter((lane) => rows.filter((row) => row.lane === lane).length > limit) }
  }

  /**
   * Moves rows, except those that others have changed or locked, and what comes after such a row in its key: these keys
   * are added to `stuck`. Returns what was moved.
   */
  const wake = (due: readonly Due[], stuck: Set<string>) =>
    client.transaction(async (tx) => {
      const ids = due.map(({ id }) => id)
      const rows = await tx.query(sql`
SELECT e.id FROM ${t.events} AS e FORCE INDEX (PRIMARY)
WHERE e.id IN (${ids}) AND e.stage IN (${[STAGE.parked, STAGE.retrying]}) AND e.available_at <= ${NOW}
FOR UPDATE SKIP LOCKED`)
      const free = new Set(rows.map((row) => String(row['id'])))
      for (const one of due) if (!free.has(one.id)) stuck.add(keyOf(one))
      const woken = due.filter((one) => free.has(one.id) && !stuck.has(keyOf(one)))
      if (woken.length > 0) {
        await tx.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET available_at = NULL, updated_at = GREATEST(updated_at, ${NOW})
WHERE id IN (${woken.map(({ id }) => id)})`)
      }
      return woken
    })

  return async (names: readonly string[], lanes: readonly number[], limitPerLane: number): Promise<UnparkReport> => {
    if (lanes.length === 0 || names.length === 0) return { woken: [], heads: [], locked: [], more: [], nextDueIn: null }
    const before = await client.query(look(names, lanes))
    const dueLanes = new Set(before.filter((row) => Number(row['due']) <= 0).map((row) => Number(row['lane'])))
    if (dueLanes.size === 0) return { woken: [], heads: [], locked: [], more: [], nextDueIn: nextOf(before) }
    const { first, more } = await dueIn(names, [...dueLanes], limitPerLane)
    const woken = new Map<number, { lane: number; firstSeq: number; count: number }>()
    const heads: string[] = []
    const stuck = new Set<string>()
    const back = new Set<string>()
    for (const some of slices(first)) {
      for (const { id, lane, seq, key, retries } of await runAgainOnConflict(() => wake(some, stuck))) {
        back.add(id)
        const report = woken.get(lane) ?? { lane, firstSeq: seq, count: 0 }
        woken.set(lane, { lane, firstSeq: Math.min(report.firstSeq, seq), count: report.count + 1 })
        if (retries && key !== null) heads.push(fromSqlId(id))
      }
    }
    // Slices before the locked row are back, and hold nothing any longer.
    const locked = firstOfEach(
      first.filter(({ id }) => !back.has(id)),
      stuck,
    )
    const report = { woken: [...woken.values()], heads, locked, more }
    if (more.length > 0 && woken.size > 0) return { ...report, nextDueIn: 0 }
    const next = nextOf(await client.query(look(names, lanes)))
    return {
      ...report,
      nextDueIn: stuck.size > 0 && next !== null ? Math.max(next, LOCKED_AGAIN) : next,
    }
  }
}

/** The first of these events for each stuck key. */
function firstOfEach(due: readonly Due[], stuck: ReadonlySet<string>): readonly HeldHead[] {
  const found = new Map<string, HeldHead>()
  for (const one of due) {
    const { id, seq, lane, partitionKey, generation } = one
    const key = keyOf(one)
    if (partitionKey === null || !stuck.has(key) || (found.get(key)?.seq ?? Number.POSITIVE_INFINITY) <= seq) continue
    found.set(key, { id: fromSqlId(id), seq, lane, partitionKey, generation, dueIn: 0 })
  }
  return [...found.values()]
}

/** Milliseconds until the first of these is due. */
function nextOf(rows: readonly { readonly [column: string]: unknown }[]): number | null {
  const due = rows.map((row) => Number(row['due']) / 1_000)
  return due.length === 0 ? null : Math.max(0, Math.min(...due))
}

/** What must keep its order: the events of a key in its lane, or one event without a key. */
function keyOf({ id, lane, key }: Due): string {
  return key === null ? id : `${lane} ${key}`
}
