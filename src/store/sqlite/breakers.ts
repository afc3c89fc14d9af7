import { LONGEST_BREAKER_WAIT } from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** The breaker of each backend. A backend that never had an outage has no row. */
export function breakers(t: Tables) {
  const openSql = `
    INSERT INTO ${t.breakers} (backend, open, probe_at, since, error) VALUES (?, 1, ${nowPlus('?')}, ${NOW}, ?)
    ON CONFLICT (backend) DO UPDATE
    SET open = 1, probe_at = excluded.probe_at, since = excluded.since, error = excluded.error WHERE open = 0`
  const tryProbeSql = `
    UPDATE ${t.breakers} SET probe_at = ${nowPlus('?')} WHERE backend = ? AND open = 1
      AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(String(LONGEST_BREAKER_WAIT / 1000))})`
  const postponeSql = `UPDATE ${t.breakers} SET probe_at = ${nowPlus('?')}, error = ? WHERE backend = ? AND open = 1`
  const closeSql = `UPDATE ${t.breakers} SET open = 0, since = ${NOW} WHERE backend = ? AND open = 1`
  return {
    open: (db: Connection, backend: string, probeAfter: number, error: string): boolean =>
      db.run(openSql, backend, probeAfter / 1000, error) > 0,
    tryProbe: (db: Connection, backend: string, again: number): boolean =>
      db.run(tryProbeSql, again / 1000, backend) > 0,
    postpone: (db: Connection, backend: string, probeAfter: number, error: string): boolean =>
      db.run(postponeSql, probeAfter / 1000, error, backend) > 0,
    close: (db: Connection, backend: string): boolean => db.run(closeSql, backend) > 0,
  }
}
