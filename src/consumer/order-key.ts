import type { EncodableEvent } from '../event/cloud-event.ts'

/** The key of an event, by its `partitionkey` attribute (CloudEvents partitioning extension); null without one. */
export function orderKeyOf(event: EncodableEvent | undefined): string | null {
  const key = event?.attributes['partitionkey']
  return key === undefined ? null : String(key)
}
