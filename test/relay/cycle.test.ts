/** What only shows in a whole cycle. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { Cycle } from '../../src/relay/cycle.ts'
import type { CycleOptions } from '../../src/relay/cycle-options.ts'
import { Lease } from '../../src/relay/lease.ts'
import { Waker } from '../../src/relay/waker.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { recordingBackend, TestOutbox } from './outbox.ts'

/** Each lane that comes wakes the cycle, and the lanes of a worker do not all come at once. */
const oneLane = () => memoryStore({ lanes: 1 })

test('a worker that is full reads on as soon as there is room, and not with the next poll', async () => {
  await using outbox = new TestOutbox({}, oneLane())
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
  await using outbox = new TestOutbox({}, oneLane())
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

test('what waits for its key takes no turn from what comes later', async () => {
  await using outbox = new TestOutbox({}, oneLane())
  let [sending, most] = [0, 0]
  outbox.backend.behaviour = async () => {
    most = Math.max(most, ++sending)
    await turn()
    sending--
    return delivered
  }
  const worker = outbox.broadcaster.worker({ batchSize: 1, concurrency: 2 })
  await worker.start()
  // While the first is sent there is a turn for the second, but its key is busy.
  await outbox.publish(['k', 'k'])
  await outbox.until(() => outbox.heard('event.published').length === 2)
  await outbox.publish([null, null])
  await outbox.until(() => outbox.heard('event.published').length === 4)
  assert.equal(most, 2)
  await worker.stop()
})

test('an event whose send fails within the worker is read again', async () => {
  const store = oneLane()
  const { destinations } = store.coordination
  const { tryProbe } = destinations
  const broken = new Error('the store failed')
  let probes = 0
  destinations.tryProbe = async (...given) => {
    if (++probes === 1) throw broken
    return tryProbe(...given)
  }
  let sends = 0
  const backend: Backend = {
    send: async (events) =>
      events.map(() => (++sends === 1 ? notDelivered(new OutageError('away', { destination: 'there' })) : delivered)),
    destination: () => 'there',
    healthCheck: async () => ({ healthy: true }),
    close: async () => {},
  }
  await using outbox = new TestOutbox({ main: backend }, store)
  await outbox.publish(['k'])
  const worker = outbox.broadcaster.worker({})
  await worker.start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.ok(outbox.heard('worker.error').some(({ error }) => error === broken))
  await worker.stop()
})

test('a wake-up ends the rest of a cycle, on a clock that stands still', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const onError = (error: unknown): void => assert.fail(String(error))
  const waker = new Waker(undefined, onError, 1_000)
  let turns = 0
  const options = {
    ...{ name: 'main', names: ['main'], waker, pulse: { beat: () => turns++ }, lease: new Lease(10_000) },
    ...{ backend: recordingBackend(), store: oneLane(), breaker: {}, onError },
    ...{ batchSize: 10, concurrency: 2, maxInHand: 10, pollInterval: 60_000, idleInterval: 60_000 },
  }
  const cycle = new Cycle(options as unknown as CycleOptions)
  const running = cycle.run()
  await turn()
  assert.equal(turns, 1)
  cycle.wake()
  await turn()
  assert.equal(turns, 2)
  cycle.stop()
  await running
})
