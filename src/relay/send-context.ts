import type { SendContext } from '../backend/backend.ts'
import type { HeldEvent } from './held-event.ts'

/** What a backend may ask of a send: by the fence of a lane a broker can refuse what a former owner sends late. */
export function sendContext(batch: readonly HeldEvent[], mayBegin: () => boolean): SendContext {
  let held: Map<unknown, HeldEvent> | undefined
  return {
    mayBegin,
    ownerOf(event) {
      held ??= new Map(batch.map((each) => [each.event, each]))
      const lane = held.get(event)?.lane
      return lane && { lane: lane.number, fence: lane.fence }
    },
  }
}
