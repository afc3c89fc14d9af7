import {
  type BreakerStore,
  type DestinationRow,
  type DestinationStore,
  LONGEST_BREAKER_WAIT,
  LONGEST_PROBE_WAIT,
  MOST_DESTINATIONS,
} from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { millisecondsBetween, NOW, nowPlus } from './values.ts'

/** The breaker of each backend. A backend that never had an outage has no row. */
export function breakers(database: Database, t: Tables, notify: () => void): BreakerStore {
  const tell = async (changing: Promise<boolean>): Promise<boolean> => {
    const changed = await changing
    if (changed) notify()
    return changed
  }
  const openSql = `
    INSERT INTO ${t.breakers} (backend, open, probe_at, since, error) VALUES (?, 1, ${nowPlus('?')}, ${NOW}, ?)
    ON CONFLICT (backend) DO UPDATE
    SET open = 1, probe_at = excluded.probe_at, since = excluded.since, error = excluded.error WHERE open = 0`
  const tryProbeSql = `
    UPDATE ${t.breakers} SET probe_at = ${nowPlus('?')} WHERE backend = ? AND open = 1
      AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(String(LONGEST_BREAKER_WAIT / 1000))})`
  const postponeSql = `UPDATE ${t.breakers} SET probe_at = ${nowPlus('?')}, error = ? WHERE backend = ? AND open = 1`
  const closeSql = `UPDATE ${t.breakers} SET open = 0, since = ${NOW} WHERE backend = ? AND open = 1`
  const pauseSql = `
    INSERT INTO ${t.breakers} (backend, open, probe_at, since, error, paused_at, paused_by, pause_reason)
    VALUES (?, 0, ${NOW}, ${NOW}, '', ${NOW}, ?, ?)
    ON CONFLICT (backend) DO UPDATE
    SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason
    WHERE paused_at IS NULL`
  const resumeSql = `
    UPDATE ${t.breakers} SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
    WHERE backend = ? AND paused_at IS NOT NULL`
  const changes = (sql: string, ...values: readonly (string | number)[]): Promise<boolean> =>
    database.write((db) => db.run(sql, ...values) > 0)
  return {
    open: (backend, probeAfter, error) => changes(openSql, backend, probeAfter / 1000, error),
    tryProbe: (backend, again) => changes(tryProbeSql, again / 1000, backend),
    async postpone(backend, probeAfter, error) {
      await changes(postponeSql, probeAfter / 1000, error, backend)
    },
    close: (backend) => changes(closeSql, backend),
    pause: (backend, by, reason) => tell(changes(pauseSql, backend, by, reason)),
    resume: (backend) => tell(changes(resumeSql, backend)),
  }
}

/** Reads the open breakers of the destinations of a backend. */
export function listDestinations(t: Tables) {
  const sql = `
    SELECT destination, probe_at, since, error, ${NOW} AS now FROM ${t.destinations} WHERE backend = ? ORDER BY destination`
  return (db: Connection, backend: string): readonly DestinationRow[] =>
    db.all(sql, backend).map((row) => ({
      destination: String(row['destination']),
      probeIn: Math.min(LONGEST_PROBE_WAIT, millisecondsBetween(row['now'], row['probe_at'])),
      since: Math.max(0, millisecondsBetween(row['since'], row['now'])),
      error: String(row['error']),
    }))
}

/** The open breakers of destinations. */
export function destinations(database: Database, t: Tables): DestinationStore {
  const list = listDestinations(t)
  const makeRoomSql = `
    DELETE FROM ${t.destinations} WHERE backend = ? AND since <= (
      SELECT since FROM ${t.destinations} WHERE backend = ? ORDER BY since DESC LIMIT 1 OFFSET ${MOST_DESTINATIONS - 1})`
  const openSql = `
    INSERT INTO ${t.destinations} (backend, destination, probe_at, since, error) VALUES (?, ?, ${nowPlus('?')}, ${NOW}, ?)
    ON CONFLICT (backend, destination) DO NOTHING`
  // An instant beyond the longest wait was left behind by a clock that was set back.
  const tryProbeSql = `
    UPDATE ${t.destinations} SET probe_at = ${nowPlus('?')} WHERE backend = ? AND destination = ?
      AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(String(LONGEST_PROBE_WAIT / 1_000))})`
  const postponeSql = `
    UPDATE ${t.destinations} SET probe_at = ${nowPlus('?')}, error = ? WHERE backend = ? AND destination = ?`
  const closeSql = `DELETE FROM ${t.destinations} WHERE backend = ? AND destination = ?`
  const changes = (sql: string, ...values: readonly (string | number)[]): Promise<boolean> =>
    database.write((db) => db.run(sql, ...values) > 0)
  return {
    list: (backend) => database.read((db) => list(db, backend)),
    open: (backend, destination, probeAfter, error) =>
      database.write((db) => {
        db.run(makeRoomSql, backend, backend)
        return db.run(openSql, backend, destination, probeAfter / 1000, error) > 0
      }),
    tryProbe: (backend, destination, again) => changes(tryProbeSql, again / 1000, backend, destination),
    async postpone(backend, destination, probeAfter, error) {
      await changes(postponeSql, probeAfter / 1000, error, backend, destination)
    },
    close: (backend, destination) => changes(closeSql, backend, destination),
  }
}
