import type { Hold } from '../admin-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus, toSqlId } from './values.ts'

/** Asks the owners of the lanes in which these events wait to take their hands off them. */
export function hold(t: Tables) {
  const sql = `
    UPDATE ${t.lanes} AS l SET hold = hold + 1, hold_until = max(coalesce(hold_until, ''), ${nowPlus('?')})
    WHERE EXISTS (
      SELECT 1 FROM ${t.events} AS e
      WHERE e.id IN (SELECT value FROM json_each(?)) AND e.status IN ('pending', 'retry', 'processing')
        AND e.lane = l.lane AND e.publisher_backend IN (l.backend, ''))
    RETURNING backend, lane, hold`
  return (db: Connection, ids: readonly string[], duration: number): readonly Hold[] =>
    db.all(sql, duration / 1000, JSON.stringify(ids.map(toSqlId))).map((row) => ({
      backend: String(row['backend']),
      lane: Number(row['lane']),
      number: Number(row['hold']),
    }))
}

/** Ends holds that nobody has renewed since. */
export function lift(t: Tables) {
  const sql = `UPDATE ${t.lanes} SET hold_until = NULL WHERE backend = ? AND lane = ? AND hold = ?`
  return (db: Connection, holds: readonly Hold[]): void => {
    for (const { backend, lane, number } of holds) db.run(sql, backend, lane, number)
  }
}

/** The lanes of these events and holds whose live owner may be sending: it has not answered any of these holds, or broke it. */
export function busyLanes(t: Tables) {
  const sql = `
    SELECT l.backend, l.lane FROM ${t.lanes} AS l
    WHERE EXISTS (SELECT 1 FROM ${t.workers} AS w WHERE w.id = l.owner AND w.lease_until > ${NOW})
      AND (EXISTS (
        SELECT 1 FROM ${t.events} AS e
        WHERE e.id IN (SELECT value FROM json_each(?)) AND e.lane = l.lane AND e.publisher_backend IN (l.backend, ''))
        OR EXISTS (
          SELECT 1 FROM json_each(?)
          WHERE json_extract(value, '$.backend') = l.backend AND json_extract(value, '$.lane') = l.lane))
      AND NOT EXISTS (
        SELECT 1 FROM json_each(?)
        WHERE json_extract(value, '$.backend') = l.backend AND json_extract(value, '$.lane') = l.lane
          AND l.hold_until IS NOT NULL AND l.quiet_for >= json_extract(value, '$.number'))`
  return (db: Connection, ids: readonly string[], holds: readonly Hold[]): readonly Omit<Hold, 'number'>[] =>
    db
      .all(sql, JSON.stringify(ids.map(toSqlId)), JSON.stringify(holds), JSON.stringify(holds))
      .map((row) => ({ backend: String(row['backend']), lane: Number(row['lane']) }))
}
