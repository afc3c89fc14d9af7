import type { Lane } from './lane.ts'
import type { LanePosition } from './lane-position.ts'

/** A lane that is read. */
export interface OpenLane {
  readonly number: number
  readonly lane: Lane
  readonly position: LanePosition
}

/** Those of the lanes that are open. */
export function openOf(lanes: ReadonlyMap<number, Lane>): OpenLane[] {
  const open: OpenLane[] = []
  for (const [number, lane] of lanes) {
    if (lane.position !== undefined) open.push({ number, lane, position: lane.position })
  }
  return open
}
