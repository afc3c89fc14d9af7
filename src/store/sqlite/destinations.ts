import { type DestinationRow, LONGEST_PROBE_WAIT, MOST_DESTINATIONS } from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { fromSqlDate, NOW, nowPlus } from './values.ts'

/** The open breakers of destinations. */
export function destinations(t: Tables) {
  const listSql = `
    SELECT destination, probe_at, since, error, ${NOW} AS now FROM ${t.destinations} WHERE backend = ? ORDER BY destination`
  const makeRoomSql = `
    DELETE FROM ${t.destinations} WHERE backend = ? AND since <= (
      SELECT since FROM ${t.destinations} WHERE backend = ? ORDER BY since DESC LIMIT 1 OFFSET ${MOST_DESTINATIONS - 1})`
  const openSql = `
    INSERT INTO ${t.destinations} (backend, destination, probe_at, since, error) VALUES (?, ?, ${nowPlus('?')}, ${NOW}, ?)
    ON CONFLICT (backend, destination) DO NOTHING`
  // An instant beyond the longest wait is one that the clock left behind when it was set back.
  const tryProbeSql = `
    UPDATE ${t.destinations} SET probe_at = ${nowPlus('?')} WHERE backend = ? AND destination = ?
      AND (probe_at <= ${NOW} OR probe_at > ${nowPlus(String(LONGEST_PROBE_WAIT / 1_000))})`
  const postponeSql = `
    UPDATE ${t.destinations} SET probe_at = ${nowPlus('?')}, error = ? WHERE backend = ? AND destination = ?`
  const closeSql = `DELETE FROM ${t.destinations} WHERE backend = ? AND destination = ?`
  return {
    list: (db: Connection, backend: string): readonly DestinationRow[] =>
      db.all(listSql, backend).map((row) => {
        const now = fromSqlDate(String(row['now'])).getTime()
        return {
          destination: String(row['destination']),
          probeIn: Math.min(LONGEST_PROBE_WAIT, fromSqlDate(String(row['probe_at'])).getTime() - now),
          since: now - fromSqlDate(String(row['since'])).getTime(),
          error: String(row['error']),
        }
      }),
    open(db: Connection, backend: string, destination: string, probeAfter: number, error: string): boolean {
      db.run(makeRoomSql, backend, backend)
      return db.run(openSql, backend, destination, probeAfter / 1000, error) > 0
    },
    tryProbe: (db: Connection, backend: string, destination: string, again: number): boolean =>
      db.run(tryProbeSql, again / 1000, backend, destination) > 0,
    postpone: (db: Connection, backend: string, destination: string, probeAfter: number, error: string): boolean =>
      db.run(postponeSql, probeAfter / 1000, error, backend, destination) > 0,
    close: (db: Connection, backend: string, destination: string): boolean =>
      db.run(closeSql, backend, destination) > 0,
  }
}
