import type { Lane } from '../coordination-store.ts'
import type { RawRow } from './client.ts'
import { NOW } from './literals.ts'
import { type Sql, sql } from './sql.ts'

/** The columns of a lane. */
export const LANE: Sql = sql`backend, lane, owner, fence, attention, hold, quiet_for,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, hold_until) AS hold_left`

/** Reads them. */
export function laneOf(row: RawRow): Lane {
  return {
    backend: String(row['backend']),
    lane: Number(row['lane']),
    owner: row['owner'] === null ? null : String(row['owner']),
    fence: Number(row['fence']),
    attention: Number(row['attention']),
    hold: Number(row['hold']),
    holdLeft: row['hold_left'] === null ? null : Number(row['hold_left']) / 1_000,
    quietFor: Number(row['quiet_for']),
  }
}
