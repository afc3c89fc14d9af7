import { BroadcasterError } from '../../errors.ts'
import type { CloudEvent, EncodableEvent } from '../../event/cloud-event.ts'
import { toEncodable } from '../../event/encodable.ts'
import { requireObject } from '../../foundation/problem.ts'
import { settles } from '../../foundation/waiting.ts'
import type { Subscription } from '../subscription.ts'
import { type MemoryDeadLetter, MemoryQueue } from './memory-queue.ts'

export type { MemoryDeadLetter } from './memory-queue.ts'

export interface MemorySubscriptionOptions {
  /** Another subscription whose messages this one shares, as another process would. Default: none. */
  readonly sharedWith?: MemorySubscription | undefined
}

/** A subscription that is fed by the test itself. */
export interface MemorySubscription extends Subscription {
  /** Hands events to the consumer, in this order. */
  deliver(...events: readonly (CloudEvent | EncodableEvent)[]): void
  /** Hands over a message that is not an event. */
  deliverUnreadable(problem: unknown): void
  /** How many messages are neither acknowledged nor given up. */
  readonly pending: number
  /** The events of acknowledged messages, in that order; undefined for one that was not an event. */
  readonly acknowledged: readonly (EncodableEvent | undefined)[]
  /** What was given up. */
  readonly deadLetters: readonly MemoryDeadLetter[]
  /** Resolves as soon as nothing is pending. */
  settled(): Promise<void>
  /** The connection breaks: what was delivered and not concluded is delivered again. */
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
  requireObject('memorySubscription()', options)
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
      const ended = AbortSignal.any([signal, closing.signal])
      for (;;) {
        if (ended.aborted) return []
        const deliveries = queue.take(limit, holder)
        if (deliveries.length > 0) return deliveries
        await settles(queue.changed, { signal: ended })
      }
    },
    backlog: async () => queue.pending,
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
