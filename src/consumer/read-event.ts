import type { EncodableEvent } from '../event/cloud-event.ts'
import type { Delivery } from './subscription.ts'

/** What a message turned out to be: an event, or why it is not one. */
export type ReadEvent = Pick<Delivery, 'event' | 'problem'>

/** What `decode` makes of a message. */
export function readEvent(decode: () => EncodableEvent): ReadEvent {
  try {
    return { event: decode() }
  } catch (problem) {
    return { event: undefined, problem }
  }
}

/** The key of an event, by its `partitionkey` attribute (CloudEvents partitioning extension); null without one. */
export function orderKeyOf(event: EncodableEvent | undefined): string | null {
  const key = event?.attributes['partitionkey']
  return key === undefined ? null : String(key)
}
