import { randomUUID } from 'node:crypto'
import { laneOfRow } from '../coordination-rows.ts'
import {
  type BreakerRow,
  type CoordinationStore,
  type LaneRow,
  type LiveWorker,
  LONGEST_HOLD,
  LONGEST_LEASE,
  type Survey,
} from '../coordination-store.ts'
import type { Row } from '../statement.ts'
import { fromSqlDate } from '../values.ts'
import { breakers, destinations } from './breakers.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import { duties } from './duties.ts'
import type { Tables } from './tables.ts'
import { rates } from './take-permits.ts'
import { NOW, nowPlus } from './values.ts'

/** Workers, lanes and breakers. `notify` wakes listeners of this process. */
export function coordination(database: Database, t: Tables, notify: () => void): CoordinationStore {
  const { needsWrite, write, read } = survey(t)
  return {
    /** Adds a worker, and the lanes of its backends. */
    enter({ name, backends, lease, transient = false, version }) {
      const make = makeLanes(t)
      const workerSql = `
    INSERT INTO ${t.workers} (id, name, backends, entered_at, lease_until, version)
    VALUES (?, ?, ?, ${NOW}, ${nowPlus('?')}, ?)`
      return database.write((db) => {
        const id = randomUUID()
        make(db, backends)
        db.run(workerSql, id, name, JSON.stringify(transient ? [] : backends), lease / 1000, version ?? null)
        return id
      })
    },
    /** Extends a lease that has not ended; false when it has. */
    renew(workerId, lease) {
      const sql = `UPDATE ${t.workers} SET lease_until = ${nowPlus('?')} WHERE id = ? AND lease_until > ${NOW}`
      return database.write((db) => db.run(sql, lease / 1000, workerId) > 0)
    },
    async survey(backends) {
      if (await database.read(needsWrite)) await database.write(write)
      return database.read((db) => read(db, backends))
    },
    look: (backends) => database.read((db) => read(db, backends)),
    /**
     * Takes lanes whose fence is still the one seen: a compare-and-set each. A worker whose lease has ended gets none.
     */
    async claim(workerId, lanes) {
      const sql = `
    UPDATE ${t.lanes} SET owner = ?, fence = fence + 1 WHERE backend = ? AND lane = ? AND fence = ?
      AND EXISTS (SELECT 1 FROM ${t.workers} WHERE id = ? AND lease_until > ${NOW})
    RETURNING ${LANE}`
      if (lanes.length === 0) return []
      return database.write((db) =>
        lanes.flatMap(({ backend, lane, fence }) => db.all(sql, workerId, backend, lane, fence, workerId)).map(toLane),
      )
    },
    /** Answers holds on lanes that are still ours, under a new fence; ends a hold whose time is over. */
    async quiet(workerId, lanes) {
      const sql = `
    UPDATE ${t.lanes} SET quiet_for = CASE WHEN ? > abs(quiet_for) THEN ? ELSE quiet_for END, fence = fence + 1,
      hold_until = CASE WHEN hold_until > ${NOW} AND hold_until <= ${nowPlus(String(LONGEST_HOLD / 1_000))} THEN hold_until END
    WHERE backend = ? AND lane = ? AND owner = ? AND fence = ?
    RETURNING ${LANE}`
      if (lanes.length === 0) return []
      return database.write((db) =>
        lanes
          .flatMap(({ backend, lane, fence, hold }) => db.all(sql, hold, hold, backend, lane, workerId, fence))
          .map(toLane),
      )
    },
    /** Gives lanes back that are still ours under the same fence, and wakes the others. */
    async release(workerId, lanes) {
      const sql = `UPDATE ${t.lanes} SET owner = NULL WHERE backend = ? AND lane = ? AND owner = ? AND fence = ?`
      if (lanes.length === 0) return
      await database.write((db) => {
        for (const { backend, lane, fence } of lanes) db.run(sql, backend, lane, workerId, fence)
      })
      notify()
    },
    /** Gives back all lanes of a worker, removes it and wakes the others. */
    async leave(workerId) {
      const lanesSql = `UPDATE ${t.lanes} SET owner = NULL WHERE owner = ?`
      const workerSql = `DELETE FROM ${t.workers} WHERE id = ?`
      await database.write((db) => {
        db.run(lanesSql, workerId)
        db.run(workerSql, workerId)
      })
      notify()
    },
    breakers: breakers(database, t, notify),
    destinations: destinations(database, t),
    rates: rates(database, t),
    duties: duties(database, t),
  }
}

const LANE = `backend, lane, owner, fence, attention, hold, hold_until, quiet_for, ${NOW} AS now`

/** The workers, the lanes and their owners, and the breakers. */
export function survey(t: Tables) {
  const longest = nowPlus(String(LONGEST_LEASE / 1_000))
  const wrongSql = `SELECT 1 FROM ${t.workers} WHERE lease_until <= ${NOW} OR lease_until > ${longest} LIMIT 1`
  const cutSql = `UPDATE ${t.workers} SET lease_until = ${longest} WHERE lease_until > ${longest}`
  const removeSql = `DELETE FROM ${t.workers} WHERE lease_until <= ${NOW}`
  const workersSql = `
    SELECT id, name, backends, version, lease_until, ${NOW} AS now FROM ${t.workers}
    WHERE lease_until > ${NOW} ORDER BY entered_at, id`
  const lanesSql = `
    SELECT ${LANE} FROM ${t.lanes}
    WHERE backend IN (SELECT value FROM json_each(?)) ORDER BY backend, lane`
  const breakersSql = `
    SELECT backend, open, probe_at, since, error, paused_at, paused_by, pause_reason, ${NOW} AS now FROM ${t.breakers}
    WHERE backend IN (SELECT value FROM json_each(?)) ORDER BY backend`
  return {
    /** Whether there is a worker to remove, or a lease to cut; most calls need no write lock. */
    needsWrite: (db: Connection): boolean => db.get(wrongSql) !== undefined,
    write(db: Connection): void {
      db.run(removeSql)
      db.run(cutSql)
    },
    read(db: Connection, backends: readonly string[]): Survey {
      const names = JSON.stringify(backends)
      return {
        workers: db.all(workersSql).map(
          (row): LiveWorker => ({
            id: String(row['id']),
            name: String(row['name']),
            backends: JSON.parse(String(row['backends'])),
            leaseLeft: Math.min(LONGEST_LEASE, timeOf(row['lease_until']) - timeOf(row['now'])),
            version: row['version'] == null ? null : String(row['version']),
          }),
        ),
        lanes: db.all(lanesSql, names).map(toLane),
        breakers: db.all(breakersSql, names).map((row): BreakerRow => {
          const now = timeOf(row['now'])
          return {
            backend: String(row['backend']),
            open: row['open'] === 1,
            probeIn: timeOf(row['probe_at']) - now,
            since: Math.max(0, now - timeOf(row['since'])),
            error: String(row['error']),
            paused:
              row['paused_at'] === null
                ? null
                : {
                    by: String(row['paused_by']),
                    reason: String(row['pause_reason']),
                    since: Math.max(0, now - timeOf(row['paused_at'])),
                  },
          }
        }),
      }
    },
  }
}

function timeOf(date: unknown): number {
  return fromSqlDate(date).getTime()
}

function holdLeft({ hold_until: until, now }: Row): number | null {
  if (until === null) return null
  const left = timeOf(until) - timeOf(now)
  return left > LONGEST_HOLD ? 0 : left
}

function toLane(row: Row): LaneRow {
  return laneOfRow(row, holdLeft(row))
}

/** Makes those lanes of these backends that do not exist yet. */
export function makeLanes(t: Tables) {
  const text = `
    WITH RECURSIVE n(lane) AS (
      SELECT 0 UNION ALL SELECT lane + 1 FROM n WHERE lane + 1 < (SELECT lanes FROM ${t.settings})
    )
    INSERT INTO ${t.lanes} (backend, lane)
    SELECT b.value, n.lane FROM json_each(?) AS b, n WHERE true
    ON CONFLICT DO NOTHING`
  return (db: Connection, backends: readonly string[]): void => {
    db.run(text, JSON.stringify(backends))
  }
}

/**
 * Makes the owners of these rows' lanes reconcile and sweep. An event without a backend name belongs to the default
 * backend, which the database does not know: that lane of every backend gets attention.
 */
export function raiseAttention(t: Tables) {
  const sql = `
    UPDATE ${t.lanes} AS l SET attention = attention + 1
    WHERE EXISTS (
      SELECT 1 FROM json_each(?)
      WHERE json_extract(value, '$[1]') = l.lane AND json_extract(value, '$[0]') IN (l.backend, ''))`
  return (db: Connection, rows: readonly Row[]): void => {
    const lanes = new Set(rows.map((row) => JSON.stringify([row['publisher_backend'], row['lane']])))
    if (lanes.size > 0) db.run(sql, `[${[...lanes].join(',')}]`)
  }
}
