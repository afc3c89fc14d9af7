import type { BackendStats, OutboxStats } from '../admin-store.ts'
import type { Row } from '../statement.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, fromSqlDate, NOW } from './values.ts'

/** Above this many, rows are not counted one by one: the range of `seq` says about how many there are. */
const COUNTED = 100_000

/** Counts from the partial indexes: published rows are read only to count the first of all. */
export function stats(t: Tables) {
  const hot = `
    FROM ${t.events} INDEXED BY ${t.index.hot}
    WHERE available_at IS NULL AND status IN ('pending', 'retry', 'processing')`
  const hotSql = `SELECT publisher_backend AS backend, lane, count(*) AS n ${hot} GROUP BY publisher_backend, lane`
  // The oldest stand at the head of each lane. Reading all due rows for one number would take seconds at a million.
  const oldestSql = `
    SELECT min(scheduled_at) AS oldest, ${NOW} AS now
    FROM (SELECT scheduled_at ${hot} AND publisher_backend = ? AND lane = ? ORDER BY seq LIMIT 100)`
  const parkedSql = `
    SELECT publisher_backend AS backend, count(*) AS parked, sum(available_at = ${FAR_FUTURE_SQL}) AS blocked
    FROM ${t.events} INDEXED BY ${t.index.parked}
    WHERE available_at IS NOT NULL AND status IN ('pending', 'retry', 'processing')
    GROUP BY publisher_backend`
  const troubledSql = `
    SELECT publisher_backend AS backend, sum(status = 'retry') AS retrying, sum(status = 'failed') AS failed,
      count(DISTINCT CASE WHEN status = 'failed' AND available_at IS NOT NULL THEN partition_key END) AS blocked_keys
    FROM ${t.events} INDEXED BY ${t.index.troubled}
    WHERE status IN ('retry', 'failed')
    GROUP BY publisher_backend`
  const rangeSql = `SELECT (SELECT max(seq) FROM ${t.events}) - (SELECT min(seq) FROM ${t.events}) + 1 AS range`
  const countSql = `SELECT count(*) AS n FROM (SELECT seq FROM ${t.events} LIMIT ${COUNTED + 1})`

  return (db: Connection): OutboxStats => {
    const lanes = db.all(hotSql)
    const parked = db.all(parkedSql)
    const troubled = db.all(troubledSql)
    const known = db.all(`SELECT DISTINCT backend FROM ${t.lanes}`)
    const names = new Set([...lanes, ...parked, ...troubled, ...known].map((row) => String(row['backend'])))
    const backends = [...names].sort().map((backend): BackendStats => {
      const due = lanes.filter((row) => row['backend'] === backend)
      const waiting = of(parked, backend)
      const trouble = of(troubled, backend)
      const ages = due.flatMap((row) => {
        const { oldest, now } = db.get(oldestSql, backend, Number(row['lane'])) ?? {}
        return fromSqlDate(String(now)).getTime() - fromSqlDate(String(oldest)).getTime()
      })
      return {
        backend,
        pending: due.reduce((sum, row) => sum + Number(row['n']), 0),
        parked: Number(waiting?.['parked'] ?? 0),
        blocked: Number(waiting?.['blocked'] ?? 0),
        retrying: Number(trouble?.['retrying'] ?? 0),
        failed: Number(trouble?.['failed'] ?? 0),
        blockedKeys: Number(trouble?.['blocked_keys'] ?? 0),
        oldestPendingAge: ages.length === 0 ? null : Math.max(...ages),
      }
    })
    const counted = Number(db.get(countSql)?.['n'])
    const isEstimate = counted > COUNTED
    return {
      backends,
      totalRows: isEstimate ? Number(db.get(rangeSql)?.['range']) : counted,
      totalRowsIsEstimate: isEstimate,
    }
  }
}

function of(rows: readonly Row[], backend: string): Row | undefined {
  return rows.find((row) => row['backend'] === backend)
}
