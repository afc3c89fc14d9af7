import { BroadcasterError } from '../errors.ts'
import type { Subscription } from './subscription.ts'

/**
 * A subscription as its technology makes it, with what all have in common: it closes once and then refuses calls; once
 * the signal has aborted or the close has begun, `receive` resolves with none, whatever the technology answers.
 * `closing` aborts as the close begins.
 */
export function subscriptionOf(make: (closing: AbortSignal) => Subscription): Subscription {
  const closing = new AbortController()
  const own = make(closing.signal)
  let closed: Promise<void> | undefined
  const refuseIfClosed = (): void => {
    if (closing.signal.aborted) throw new BroadcasterError('CLOSED', 'this subscription is closed')
  }
  return {
    ...own,
    get description() {
      return own.description
    },
    get messaging() {
      return own.messaging
    },
    async open(context, signal) {
      refuseIfClosed()
      await own.open(context, signal)
    },
    async receive(limit, signal) {
      refuseIfClosed()
      if (signal.aborted) return []
      try {
        return await own.receive(limit, signal)
      } catch (error) {
        if (signal.aborted || closing.signal.aborted) return []
        throw error
      }
    },
    close() {
      closing.abort()
      return (closed ??= own.close())
    },
  }
}
