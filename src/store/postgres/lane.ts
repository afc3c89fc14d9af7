import type { Lane } from '../coordination-store.ts'
import type { RawRow } from './client.ts'

/** The columns of a lane `l`. */
export const LANE = `l.backend, l.lane, l.owner, l.fence, l.attention, l.hold, l.quiet_for,
  date_part('epoch', l.hold_until - clock_timestamp()) * 1000 AS hold_left`

/** Reads them. */
export function laneOf(row: RawRow): Lane {
  const left = row['hold_left']
  return {
    backend: row['backend'] ?? '',
    lane: Number(row['lane']),
    owner: row['owner'] ?? null,
    fence: Number(row['fence']),
    attention: Number(row['attention']),
    hold: Number(row['hold']),
    holdLeft: left == null ? null : Number(left),
    quietFor: Number(row['quiet_for']),
  }
}
