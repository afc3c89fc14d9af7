import type { BreakerRow, Lane, LiveWorker, Survey } from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { fromSqlDate, NOW } from './values.ts'

/** The columns of a lane. */
export const LANE = `backend, lane, owner, fence, attention, hold, hold_until, quiet_for, ${NOW} AS now`

/** Who is there, who owns what, and which backends are down. */
export function survey(t: Tables) {
  const expiredSql = `SELECT 1 FROM ${t.workers} WHERE lease_until <= ${NOW} LIMIT 1`
  const removeSql = `DELETE FROM ${t.workers} WHERE lease_until <= ${NOW}`
  const workersSql = `
    SELECT id, name, backends, lease_until, ${NOW} AS now FROM ${t.workers}
    WHERE lease_until > ${NOW} ORDER BY entered_at, id`
  const lanesSql = `
    SELECT ${LANE} FROM ${t.lanes}
    WHERE backend IN (SELECT value FROM json_each(?)) ORDER BY backend, lane`
  const breakersSql = `
    SELECT backend, open, probe_at, since, error, ${NOW} AS now FROM ${t.breakers}
    WHERE backend IN (SELECT value FROM json_each(?)) ORDER BY backend`
  return {
    /** Whether there is a worker to remove; most calls need no write lock. */
    hasExpired: (db: Connection): boolean => db.get(expiredSql) !== undefined,
    removeExpired: (db: Connection): number => db.run(removeSql),
    read(db: Connection, backends: readonly string[]): Survey {
      const names = JSON.stringify(backends)
      return {
        workers: db.all(workersSql).map(
          (row): LiveWorker => ({
            id: String(row['id']),
            name: String(row['name']),
            backends: JSON.parse(String(row['backends'])),
            leaseLeft: timeOf(row['lease_until']) - timeOf(row['now']),
          }),
        ),
        lanes: db.all(lanesSql, names).map(toLane),
        breakers: db.all(breakersSql, names).map((row): BreakerRow => {
          const now = timeOf(row['now'])
          return {
            backend: String(row['backend']),
            open: row['open'] === 1,
            probeIn: timeOf(row['probe_at']) - now,
            since: now - timeOf(row['since']),
            error: String(row['error']),
          }
        }),
      }
    },
  }
}

function timeOf(date: unknown): number {
  return fromSqlDate(String(date)).getTime()
}

/** Reads a row of the lanes table. */
export function toLane(row: { readonly [column: string]: unknown }): Lane {
  return {
    backend: String(row['backend']),
    lane: Number(row['lane']),
    owner: row['owner'] === null ? null : String(row['owner']),
    fence: Number(row['fence']),
    attention: Number(row['attention']),
    hold: Number(row['hold']),
    holdLeft: row['hold_until'] === null ? null : timeOf(row['hold_until']) - timeOf(row['now']),
    quietFor: Number(row['quiet_for']),
  }
}
