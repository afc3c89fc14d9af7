import type { UnparkReport } from '../relay-store.ts'
import type { Client } from './client.ts'
import { isNamed } from './fetch.ts'
import { FAR_FUTURE_SQL, NOW, STAGE } from './literals.ts'
import { slices } from './slices.ts'
import { join, type Sql, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'

interface Due {
  readonly id: string
  readonly lane: number
}

/**
 * Brings parked events whose time has come back into the hot stage. Looks at the first parked event of each lane: one
 * index lookup for each lane, name and stage, 4 ms for 64 lanes and two names with 50,000 parked; most calls end there.
 */
export function unpark(client: Client, t: Tables) {
  // Ordered by the lane, too: MySQL takes a column of another table for no constant, and would sort all that is parked.
  // What waits for ever comes last and is told apart by the caller: a condition here would pass all of it in vain.
  const firstOf = (name: string, stage: number): Sql => sql`COALESCE((
    SELECT e.available_at FROM ${t.events} AS e FORCE INDEX (${t.index.work})
    WHERE ${isNamed([name])} AND e.stage = ${stage} AND e.lane = l.lane
    ORDER BY e.lane, e.available_at LIMIT 1), ${FAR_FUTURE_SQL})`

  // Each name is a literal: a column of JSON_TABLE has a collation of its own, and MySQL refuses to compare it with
  // the collation of a table that Django made.
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
SELECT e.id, e.lane, e.seq, CAST(e.available_at AS CHAR) AS at FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE ${isNamed([name])} AND e.stage = ${stage} AND e.lane = ${lane} AND e.available_at <= ${NOW}
ORDER BY e.available_at, e.seq LIMIT ${limit})`

  /** The first due rows of these lanes, `limit` of each, and whether there are more. */
  const dueIn = async (names: readonly string[], lanes: readonly number[], limit: number) => {
    const parts = lanes.flatMap((lane) =>
      names.flatMap((name) => [STAGE.parked, STAGE.retrying].map((stage) => dueOf(name, stage, lane, limit + 1))),
    )
    const rows = (await client.query(join(parts, '\nUNION ALL\n')))
      .map((row) => ({
        id: String(row['id']),
        lane: Number(row['lane']),
        seq: Number(row['seq']),
        at: String(row['at']),
      }))
      .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.seq - b.seq))
    const first = lanes.flatMap((lane) => rows.filter((row) => row.lane === lane).slice(0, limit))
    return { first, more: first.length < rows.length }
  }

  /** Moves them, but for those that somebody else has changed meanwhile; returns what was moved. */
  const wake = (due: readonly Due[]) =>
    client.transaction(async (tx) => {
      const ids = due.map(({ id }) => id)
      const rows = await tx.query(sql`
SELECT e.id, e.lane, e.seq FROM ${t.events} AS e FORCE INDEX (PRIMARY)
WHERE e.id IN (${ids}) AND e.stage IN (${[STAGE.parked, STAGE.retrying]}) AND e.available_at <= ${NOW}
FOR UPDATE`)
      if (rows.length > 0) {
        await tx.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET available_at = NULL WHERE id IN (${rows.map((row) => String(row['id']))})`)
      }
      return rows.map((row) => ({ lane: Number(row['lane']), seq: Number(row['seq']) }))
    })

  return async (names: readonly string[], lanes: readonly number[], limitPerLane: number): Promise<UnparkReport> => {
    if (lanes.length === 0 || names.length === 0) return { woken: [], nextDueIn: null }
    const before = await client.query(look(names, lanes))
    const dueLanes = new Set(before.filter((row) => Number(row['due']) <= 0).map((row) => Number(row['lane'])))
    if (dueLanes.size === 0) return { woken: [], nextDueIn: nextOf(before) }
    const { first, more } = await dueIn(names, [...dueLanes], limitPerLane)
    const woken = new Map<number, { lane: number; firstSeq: number; count: number }>()
    for (const some of slices(first)) {
      for (const { lane, seq } of await runAgainOnConflict(() => wake(some))) {
        const report = woken.get(lane) ?? { lane, firstSeq: seq, count: 0 }
        woken.set(lane, { lane, firstSeq: Math.min(report.firstSeq, seq), count: report.count + 1 })
      }
    }
    return { woken: [...woken.values()], nextDueIn: more ? 0 : nextOf(await client.query(look(names, lanes))) }
  }
}

/** Milliseconds until the first of these is due. */
function nextOf(rows: readonly { readonly [column: string]: unknown }[]): number | null {
  const due = rows.map((row) => Number(row['due']) / 1_000)
  return due.length === 0 ? null : Math.max(0, Math.min(...due))
}
