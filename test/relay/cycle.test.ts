/** What only shows in a whole cycle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { TestOutbox } from './outbox.ts'

test('a worker that is full reads on as soon as there is room, and not with the next poll', async () => {
  await using outbox = new TestOutbox()
  await outbox.publish(Array.from({ length: 12 }, (_, n) => `key ${n}`))
  const worker = outbox.broadcaster.worker({ pollInterval: 60_000, maxInHand: 2, batchSize: 1, concurrency: 1 })
  await worker.start()
  await outbox.until(() => outbox.heard('event.published').length === 12)
  await worker.stop()
})

test('a send that begins its events one by one begins no more once the breaker has opened', async () => {
  const begins = Promise.withResolvers<boolean | undefined>()
  const opened = Promise.withResolvers<void>()
  let sends = 0
  const backend: Backend = {
    async send(events, _signal, context) {
      sends++
      if (sends > 2) return events.map(() => delivered)
      const isSlow = events.some(({ data }) => data === 1)
      if (!isSlow) return events.map(() => notDelivered(new OutageError('away')))
      await opened.promise
      begins.resolve(context?.mayBegin())
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => {},
  }
  await using outbox = new TestOutbox({ main: backend })
  await outbox.publish(['a', 'b'])
  const worker = outbox.broadcaster.worker({ batchSize: 1, concurrency: 2 })
  await worker.start()
  await outbox.until(() => outbox.heard('backend.down').length === 1)
  opened.resolve()
  assert.equal(await begins.promise, false)
  await outbox.until(() => outbox.heard('event.published').length === 2)
  await worker.stop()
})

test('what waits for its key, or for its turn, is sent when that comes, and not with the next poll', async () => {
  await using outbox = new TestOutbox()
  outbox.backend.behaviour = async () => {
    await delay(5)
    return delivered
  }
  const worker = outbox.broadcaster.worker({ pollInterval: 60_000, batchSize: 1, concurrency: 2 })
  await worker.start()
  for (let n = 0; n < 6; n++) await outbox.publish(['k', null])
  await outbox.until(() => outbox.heard('event.published').length === 12)
  await worker.stop()
})

test('a commit wakes a worker that rests', async () => {
  await using outbox = new TestOutbox()
  const worker = outbox.broadcaster.worker({ pollInterval: 60_000 })
  await worker.start()
  await delay(600)
  await outbox.publish(['k'])
  await outbox.until(() => outbox.heard('event.published').length === 1)
  await worker.stop()
})
