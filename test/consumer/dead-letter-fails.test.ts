import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PermanentError } from '../../src/backend/send-error.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import type { CloudEvent } from '../../src/event/cloud-event.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { onSignal } from '../../src/telemetry/signals.ts'

function event(id: string, type: string): CloudEvent {
  return { specversion: '1.0', id, source: '/x', type, partitionkey: 'k' }
}

/** A subscription whose dead-letter place refuses, until `mend` is called. */
function withFaultyPlace(subscription: ReturnType<typeof memorySubscription>) {
  let isFaulty = true
  const tried: unknown[] = []
  const faulty: Subscription = {
    description: subscription.description,
    open: (context, signal) => subscription.open(context, signal),
    close: () => subscription.close(),
    receive: async (...given) => {
      const deliveries = await subscription.receive(...given)
      return deliveries.map((delivery) => ({
        event: delivery.event,
        problem: delivery.problem,
        key: delivery.key,
        count: delivery.count,
        position: delivery.position,
        ...(delivery.lost && { lost: delivery.lost }),
        acknowledge: () => delivery.acknowledge(),
        release: () => delivery.release(),
        deadLetter: async (reason) => {
          tried.push(delivery.event?.attributes['id'])
          // Later, as a broker's answer is.
          await new Promise((resolve) => setImmediate(resolve))
          if (isFaulty) throw new Error('the dead-letter place is full')
          await delivery.deadLetter(reason)
        },
      }))
    },
  }
  return { faulty, tried, mend: () => (isFaulty = false) }
}

describe('a dead-letter place that fails', () => {
  test('its message is not acknowledged, not told as given up, and holds its key until it has been taken', {
    timeout: 20_000,
  }, async () => {
    const subscription = memorySubscription()
    const { faulty, tried, mend } = withFaultyPlace(subscription)
    const handled: unknown[] = []
    const failed: unknown[] = []
    const complaint = Promise.withResolvers<unknown>()
    const stops = [
      onSignal('delivery.failed', (message) => failed.push(message.event?.id)),
      onSignal('consumer.error', ({ error }) => complaint.resolve(error)),
    ]
    const handlers = {
      bad: () => {
        throw new PermanentError('never')
      },
      good: ({ id }: DeliveryEvent) => void handled.push(id),
    }
    const store = memoryStore()
    const consumer = new Consumer({
      name: 'c',
      subscription: faulty,
      store,
      handlers,
      retry: { base: 1, jitter: 'none' },
    })
    await consumer.start()
    try {
      subscription.deliver(event('1', 'bad'), event('2', 'good'))
      assert.match(String(await complaint.promise), /the dead-letter place is full/)
      assert.deepEqual(failed, [])
      assert.deepEqual(subscription.deadLetters, [])
      assert.deepEqual(subscription.acknowledged, [])
      assert.deepEqual(handled, [], 'what is behind it waits')
      mend()
      await subscription.settled()
      assert.deepEqual(failed, ['1'])
      assert.equal(subscription.deadLetters.length, 1)
      assert.deepEqual(handled, ['2'])
      assert.ok(tried.length >= 2 && tried.every((id) => id === '1'))
    } finally {
      for (const stop of stops) stop()
      await consumer.stop()
    }
  })
})

test('a handler is told when its delivery is lost, and what it did for it is not the last word', {
  timeout: 20_000,
}, async () => {
  const subscription = memorySubscription()
  const begun = Promise.withResolvers<void>()
  const told: string[] = []
  const handlers = {
    good: async ({ id }: DeliveryEvent, { signal }: { readonly signal: AbortSignal }) => {
      if (told.length > 0) return void told.push(`${id} again`)
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      begun.resolve()
      await aborted
      told.push(`${id} is lost`)
      throw new Error('given up in the middle')
    },
  }
  // Its own time is not over for long.
  const options = { name: 'c', subscription, store: memoryStore(), handlers, handlerTimeout: 10 * 60_000 }
  const consumer = new Consumer(options)
  await consumer.start()
  try {
    subscription.deliver(event('1', 'good'))
    await begun.promise
    subscription.disconnect()
    await subscription.settled()
    assert.deepEqual(told, ['1 is lost', '1 again'])
  } finally {
    await consumer.stop()
  }
})
