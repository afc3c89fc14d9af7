import type { InHand } from '../../src/relay/in-hand.ts'
import { Lane } from '../../src/relay/lane.ts'

/** Lanes 0 to `count - 1`, as a reader finds them once what holds their keys is known. */
export function openLanes(count: number, inHand: InHand): Map<number, Lane> {
  const ownership = { workerId: 'w', fences: new Map(), backend: 'main' }
  const rest = { backend: 'main', owner: 'w', fence: 1, attention: 0, hold: 0, holdLeft: null, quietFor: 0 }
  const lanes = Array.from(
    { length: count },
    (_, lane) => new Lane({ ...rest, lane }, ownership, inHand.of(lane), false),
  )
  for (const lane of lanes) lane.open(0)
  return new Map(lanes.map((lane) => [lane.number, lane]))
}
