import assert from 'node:assert/strict'
import { Consumer } from '../../consumer/consumer.ts'
import type { Subscription } from '../../consumer/subscription.ts'
import { waitFor } from '../../foundation/waiting.ts'
import type { SubscriptionCase } from '../subscription-conformance.ts'
import { requires } from './fixture.ts'
import { acknowledgeAll, idsOf, opened, PATIENCE, publishedIds, take, wireEvents } from './steps.ts'

/** What a stopping consumer leaves to the next one. */
export const stopCases: readonly SubscriptionCase[] = [
  requires('returnsInOrder')(
    'stop: what was in hand comes to the next process in the order of its key, the first of it first',
    async ({ subscribe, publish }) => {
      const events = wireEvents(300, 3)
      const keyOf = new Map<unknown, unknown>(
        events.map(({ attributes }) => [attributes['id'], attributes['partitionkey']]),
      )
      const handled = new Set<unknown>(publishedIds(events).slice(0, 30))
      const stuck = new Set<unknown>()
      const allStuck = Promise.withResolvers<void>()
      const { subscription, received } = counted(subscribe(), events.length)
      const consumer = new Consumer({
        name: 'billing',
        subscription,
        inbox: false,
        maxInHand: 1_000,
        stopTimeout: 0,
        handlers: {
          '*': ({ id }, { signal }) => {
            if (handled.has(id)) return
            stuck.add(id)
            if (stuck.size === 3) allStuck.resolve()
            return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          },
        },
      })
      await consumer.start()
      await publish(events)
      const late = () => new Error(`did not come within ${PATIENCE} ms`)
      await waitFor(Promise.all([received, allStuck.promise]), { timeout: PATIENCE }, late)
      await consumer.stop()
      const rest = publishedIds(events).slice(30)
      const again = await take(await opened(subscribe()), rest.length)
      for (const key of new Set(keyOf.values())) {
        const ofKey = (ids: readonly unknown[]): readonly unknown[] => ids.filter((id) => keyOf.get(id) === key)
        assert.deepEqual(ofKey(idsOf(again)), ofKey(rest), `the order of ${key}`)
      }
      // Nothing was handed out and given back in between.
      assert.deepEqual(
        again.filter(({ count }) => count > 2).map(({ position, count }) => `${position}: ${count}`),
        [],
      )
      await acknowledgeAll(again)
    },
  ),
]

/** The same subscription, and when it has delivered so many. */
function counted(subscription: Subscription, count: number) {
  const all = Promise.withResolvers<void>()
  let seen = 0
  const counting: Subscription = {
    description: subscription.description,
    open: (context, signal) => subscription.open(context, signal),
    close: () => subscription.close(),
    async receive(limit, signal) {
      const deliveries = await subscription.receive(limit, signal)
      seen += deliveries.length
      if (seen >= count) all.resolve()
      return deliveries
    },
  }
  return { subscription: counting, received: all.promise }
}
