import type { BackendStats, OutboxStats } from '../admin-store.ts'
import type { Client, RawRow } from './client.ts'
import { isNamed } from './fetch.ts'
import { FAR_FUTURE_SQL, NOW, STAGE } from './literals.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Above this many, rows are not counted one by one. */
const COUNTED = 10_000

/** Numbers for people and monitors, from the work index: published rows are read only to count the first of all. */
export function stats(client: Client, t: Tables) {
  // By a jump along the index for each name; then of each what is to be done. Names that differ only in what a collation
  // of Django's ignores are one here, and told apart by their bytes there. (For a SELECT DISTINCT, MySQL with the
  // statistics of a small table reads the whole index.)
  const firstAfter = (name: string | undefined) => sql`
SELECT MIN(e.publisher_backend) AS backend FROM ${t.events} AS e FORCE INDEX (${t.index.work})
${name === undefined ? sql`` : sql`WHERE e.publisher_backend > ${name}`}`
  const known = sql`SELECT DISTINCT backend FROM ${t.lanes}`
  const counts = (name: string) => sql`
SELECT CAST(e.publisher_backend AS BINARY) AS backend, e.stage, COUNT(*) AS count,
  SUM(e.available_at = ${FAR_FUTURE_SQL}) AS never, SUM(e.status = 'retry') AS retrying,
  COUNT(DISTINCT CASE WHEN e.available_at IS NOT NULL THEN e.partition_key END) AS keys_held
FROM ${t.events} AS e FORCE INDEX (${t.index.work})
WHERE e.publisher_backend = ${name} AND e.stage IN (${Object.values(STAGE)})
GROUP BY CAST(e.publisher_backend AS BINARY), e.stage`
  /**
   * The oldest due event is looked for among the first of each lane by `seq`. Ordered by the lane, too: MySQL takes a
   * column of another table for no constant, and would sort all that is due.
   */
  const oldest = (backend: string) => sql`
SELECT TIMESTAMPDIFF(MICROSECOND, MIN(f.at), ${NOW}) / 1000 AS age
FROM (
  SELECT (
    SELECT e.scheduled_at FROM ${t.events} AS e FORCE INDEX (${t.index.work})
    WHERE ${isNamed([backend])} AND e.stage = ${STAGE.hot} AND e.lane = l.lane AND e.available_at IS NULL
    ORDER BY e.lane, e.seq LIMIT 1) AS at
  FROM (SELECT DISTINCT lane FROM ${t.lanes}) AS l) AS f
WHERE f.at <= ${NOW}`
  // The engine's own estimate. The range of `seq` is none: a take-over and a purge leave holes of any size.
  const plan = sql`EXPLAIN SELECT seq FROM ${t.events}`
  const total = sql`SELECT COUNT(*) AS count FROM (SELECT seq FROM ${t.events} LIMIT ${COUNTED + 1}) AS some`

  return (): Promise<OutboxStats> =>
    client.transaction(async (tx) => {
      const rows: RawRow[] = []
      for (let name: string | undefined; ; ) {
        const [next] = await tx.query(firstAfter(name))
        if (next?.['backend'] == null) break
        name = String(next['backend'])
        rows.push(...(await tx.query(counts(name))))
      }
      const all = new Set([...rows, ...(await tx.query(known))].map((row) => String(row['backend'])))
      const backends: BackendStats[] = []
      for (const backend of [...all].sort()) {
        const [age] = await tx.query(oldest(backend))
        const own = rows.filter((row) => String(row['backend']) === backend)
        backends.push(statsOf(backend, own, age))
      }
      const [planned] = await tx.query(plan)
      const estimate = Number(planned?.['rows'] ?? 0)
      const [counted] = estimate > COUNTED ? [] : await tx.query(total)
      const totalRows = Math.max(estimate > COUNTED ? estimate : 0, Number(counted?.['count'] ?? 0))
      return { backends, totalRows, totalRowsIsEstimate: totalRows > COUNTED }
    })
}

function statsOf(backend: string, rows: readonly RawRow[], age: RawRow | undefined): BackendStats {
  const of = (column: string, ...stages: readonly number[]): number =>
    rows.filter((row) => stages.includes(Number(row['stage']))).reduce((sum, row) => sum + Number(row[column]), 0)
  return {
    backend,
    pending: of('count', STAGE.hot),
    parked: of('count', STAGE.parked, STAGE.retrying),
    blocked: of('never', STAGE.parked, STAGE.retrying),
    retrying: of('retrying', STAGE.hot, STAGE.retrying),
    failed: of('count', STAGE.failed),
    blockedKeys: of('keys_held', STAGE.failed),
    oldestPendingAge: age?.['age'] == null ? null : Number(age['age']),
  }
}
