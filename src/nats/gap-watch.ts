import type { SubscriptionContext } from '../consumer/subscription.ts'
import { BroadcasterError } from '../errors.ts'

/** A consumer's position: how many messages it was handed, and the stream sequence of the last one. */
export interface Progress {
  readonly deliveries: number
  readonly sequence: number
}

/**
 * Reports messages that the stream dropped before the consumer was handed them. Both numbers go up by one with each
 * message that is handed out for the first time, to any process; where the stream's goes up by more, messages are gone.
 * Redeliveries to other processes can hide a gap, but never make one up.
 */
export function gapWatch(stream: string) {
  let onGap: SubscriptionContext['onGap']
  let last: Progress | undefined

  /** The consumer's position; a lower count of deliveries means that the consumer was made anew. */
  function reach(next: Progress): void {
    const before = last
    last = next
    if (before === undefined || next.deliveries < before.deliveries) return
    const count = next.sequence - before.sequence - (next.deliveries - before.deliveries)
    if (count <= 0) return
    const message = `the stream '${stream}' dropped ${count} messages before this consumer had read them; keep them longer (max_age, max_msgs, max_bytes), or refuse new ones when it is full (discard: 'new')`
    onGap?.(new BroadcasterError('MESSAGES_MISSED', message, { field: 'stream', value: count }))
  }

  return {
    begin(tell: SubscriptionContext['onGap']): void {
      onGap = tell
    },
    reach,
    /** One message that was handed to us. */
    receive({ deliveries, sequence }: Progress, again: boolean): void {
      reach({ deliveries, sequence: again ? (last?.sequence ?? sequence) : sequence })
    },
  }
}
