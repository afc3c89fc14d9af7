import { BroadcasterError } from '../../errors.ts'
import type { CloudEvent, EncodableEvent } from '../../event/cloud-event.ts'
import { toEncodable } from '../../event/encodable.ts'
import type { Subscription } from '../subscription.ts'
import { type MemoryDeadLetter, MemoryQueue } from './memory-queue.ts'

export type { MemoryDeadLetter } from './memory-queue.ts'

export interface MemorySubscriptionOptions {
  /** Another one whose messages this one shares, as another process would. */
  readonly sharedWith?: MemorySubscription
}

/** A subscription that is fed by the test itself. */
export interface MemorySubscription extends Subscription {
  /** Hands events to the consumer, in this order. */
  deliver(...events: readonly (CloudEvent | EncodableEvent)[]): void
  /** Hands over a message that is no event. */
  deliverUnreadable(problem: unknown): void
  /** How many messages are neither acknowledged nor given up. */
  readonly pending: number
  readonly acknowledged: readonly (EncodableEvent | undefined)[]
  readonly deadLetters: readonly MemoryDeadLetter[]
  /** Resolves as soon as nothing is pending. */
  settled(): Promise<void>
  /** The connection breaks: what was handed out and not concluded is handed out again. */
  disconnect(): void
}

const queues = new WeakMap<Subscription, MemoryQueue>()

/**
 * A broker in memory, for tests of your own consumers.
 *
 * @example
 * const subscription = memorySubscription()
 * const consumer = new Consumer({ name: 'billing', subscription, inbox: false, handlers })
 * await consumer.start()
 * subscription.deliver({ specversion: '1.0', id: '1', source: '/orders', type: 'order.created' })
 * await subscription.settled()
 */
export function memorySubscription(options: MemorySubscriptionOptions = {}): MemorySubscription {
  const queue = (options.sharedWith && queues.get(options.sharedWith)) ?? new MemoryQueue()
  const closing = new AbortController()
  const holder = {}

  const subscription: MemorySubscription = {
    description: 'memory',
    acknowledged: queue.acknowledged,
    deadLetters: queue.deadLetters,
    disconnect: () => queue.takeBack(holder),
    get pending() {
      return queue.pending
    },
    deliver(...events) {
      for (const event of events) queue.add(isEncodable(event) ? event : toEncodable(event))
    },
    deliverUnreadable: (problem) => queue.add(undefined, problem),
    async settled() {
      while (queue.pending > 0) await queue.changed
    },
    open: async () => undefined,
    async receive(limit, signal) {
      if (closing.signal.aborted) throw new BroadcasterError('CLOSED', 'this subscription is closed')
      const ended = whenAborted(AbortSignal.any([signal, closing.signal]))
      for (;;) {
        if (signal.aborted || closing.signal.aborted) return []
        const deliveries = queue.take(limit, holder)
        if (deliveries.length > 0) return deliveries
        await Promise.race([queue.changed, ended])
      }
    },
    async close() {
      closing.abort()
      queue.takeBack(holder)
    },
    deadLetterPlace: () => ({
      description: 'memory',
      list: async (page) => queue.listDead(page),
      requeue: async (id) => queue.requeueDead(id),
      close: async () => undefined,
    }),
  }
  queues.set(subscription, queue)
  return subscription
}

function isEncodable(event: CloudEvent | EncodableEvent): event is EncodableEvent {
  return 'attributes' in event && 'dataJson' in event
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
