import type { Hold } from './admin-store.ts'
import type { LaneRow } from './coordination-store.ts'
import type { Row } from './statement.ts'

/** A lane from a row of its table; `holdLeft` in ms. */
export function laneOfRow(row: Row, holdLeft: number | null): LaneRow {
  return {
    ...laneKey(row),
    owner: row['owner'] == null ? null : String(row['owner']),
    fence: Number(row['fence']),
    attention: Number(row['attention']),
    hold: Number(row['hold']),
    holdLeft,
    quietFor: Number(row['quiet_for']),
  }
}

/** A lane's key from a row of (backend, lane). */
export function laneKey(row: Row): Pick<LaneRow, 'backend' | 'lane'> {
  return { backend: String(row['backend']), lane: Number(row['lane']) }
}

/** A hold from a row of (backend, lane, hold). */
export function holdOfRow(row: Row): Hold {
  return { ...laneKey(row), number: Number(row['hold']) }
}

/** The holds on none of these lanes. */
export function holdsBeside(
  lanes: readonly Pick<LaneRow, 'backend' | 'lane'>[],
  holds: readonly Hold[],
): readonly Hold[] {
  return holds.filter((each) => !lanes.some(({ backend, lane }) => backend === each.backend && lane === each.lane))
}
