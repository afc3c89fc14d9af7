import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { LAPSE } from '../../src/relay/rate-gate.ts'
import { WorkerPool } from '../../src/relay/worker-pool.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { PermitRequest, Permits } from '../../src/store/permits.ts'
import type { Store } from '../../src/store/store.ts'
import { recordingBackend, TestOutbox } from './outbox.ts'
import { publish, Tenants } from './tenants.ts'

/** A store whose rates answer what the test says: nothing before `answer`. */
function steered() {
  const inner: Store = memoryStore({ lanes: 8 }) as Store
  const asked: {
    readonly place: string
    readonly request: PermitRequest
    readonly answer: (permits: Permits) => void
  }[] = []
  const waiting = new Set<() => void>()
  const rates = {
    take: (backend: string, destination: string, request: PermitRequest) =>
      new Promise<Permits>((answer) => {
        asked.push({ place: destination === '' ? backend : `${backend} ${destination}`, request, answer })
        for (const look of waiting) look()
      }),
  }
  const store = { ...inner, coordination: { ...inner.coordination, rates } } as Store
  /** The n-th request, from 0, when it comes. */
  const request = async (n: number) => {
    while (asked.length <= n) {
      await new Promise<void>((resolve) => {
        waiting.add(resolve)
      })
    }
    return asked[n] ?? assert.fail()
  }
  return { store, asked, request }
}

/** Sends whole batches, and remembers how many were in each. */
function batchBackend(more: Partial<Backend>) {
  const sent: string[][] = []
  const backend: Backend = {
    async send(events) {
      sent.push(events.map(({ data }) => String(data)))
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => undefined,
    ...more,
  }
  return { backend, sent }
}

test('a backend with a rate gets what it permits, the other one does not wait, and the rest stays in the table', async () => {
  const { store, asked, request } = steered()
  const { backend, sent } = batchBackend({ rate: { events: 10, per: 1_000, burst: 3 } })
  await using outbox = new TestOutbox({ limited: backend }, store)
  await outbox.publish(new Array(40).fill(null), { backend: 'limited' })
  await using worker = outbox.broadcaster.worker({ batchSize: 20 })
  await worker.start()
  const first = await request(0)
  assert.equal(first.place, 'limited')
  const { events, ...rate } = first.request
  assert.deepEqual(rate, { interval: 100, burst: 3 })
  assert.ok(events >= 10 && events < 20, `in memory is about what goes in a second, and not ${events}`)
  await outbox.publish([null, null])
  await outbox.until(() => outbox.backend.received.length === 2)
  assert.deepEqual(sent, [])
  first.answer({ taken: 3, wait: 0 })
  const second = await request(1)
  assert.deepEqual(
    sent.map(({ length }) => length),
    [3],
  )
  second.answer({ taken: 2, wait: 5 })
  await request(2)
  assert.deepEqual(
    sent.map(({ length }) => length),
    [3, 2],
  )
  assert.equal(asked.length, 3)
  assert.deepEqual(
    outbox.heard('rate.waited').map(({ backend: of, destination }) => [of, destination]),
    [['limited', '']],
  )
  // A stop waits for no permit, and what was read goes back at no cost.
  await worker.stop()
  const left = await outbox.broadcaster.events.filter({ publisherBackend: 'limited', status: 'pending' }).all()
  assert.equal(left.length, 35)
  assert.ok(left.every(({ retryCount }) => retryCount === 0))
})

test('each destination has its own rate, and the order of a key is kept', async () => {
  const { store, asked, request } = steered()
  const { backend, sent } = batchBackend({
    destinationRate: { events: 100, per: 1_000, burst: 2 },
    destination: ({ partitionKey = 'none' }) => partitionKey,
  })
  await using outbox = new TestOutbox({ places: backend }, store)
  await outbox.publish(['a', 'a', 'b'], { backend: 'places' })
  await using worker = outbox.broadcaster.worker()
  await worker.start()
  await request(1)
  assert.deepEqual(asked.map(({ place, request }) => [place, request.events]).sort(), [
    ['places a', 1],
    ['places b', 1],
  ])
  asked.find(({ place }) => place === 'places b')?.answer({ taken: 1, wait: 0 })
  await outbox.until(() => outbox.heard('batch.sent').length === 1)
  assert.deepEqual(sent, [['3']])
  asked.find(({ place }) => place === 'places a')?.answer({ taken: 1, wait: 0 })
  const again = await request(2)
  assert.deepEqual(sent, [['3'], ['1']])
  again.answer({ taken: 1, wait: 0 })
  await outbox.until(() => outbox.heard('batch.sent').length === 3)
  assert.deepEqual(sent, [['3'], ['1'], ['2']])
})

test('a probe waits for the rate as well, and takes a permit', async () => {
  const { store, request, asked } = steered()
  let isDown = true
  const limited = recordingBackend(() => (isDown ? notDelivered(new OutageError('away')) : delivered))
  await using outbox = new TestOutbox({ limited: { ...limited, rate: 2 } }, store)
  await outbox.publish([null, null], { backend: 'limited' })
  await using worker = outbox.broadcaster.worker()
  await worker.start()
  ;(await request(0)).answer({ taken: 1, wait: 0 })
  await outbox.until(() => outbox.heard('backend.down').length === 1)
  const probe = await request(1)
  isDown = false
  assert.equal(limited.received.length, 0)
  assert.equal(asked.length, 2)
  probe.answer({ taken: 1, wait: 1 })
  await outbox.until(() => outbox.heard('backend.up').length === 1)
  await Promise.race([request(2), outbox.until(() => limited.received.length === 2)])
  assert.equal(limited.received.length, 1, 'the other one needs a permit of its own')
})

test('what is sent once more in the same send needs a permit too; without one it goes alone the next time', async () => {
  const { store, request } = steered()
  const sent: string[][] = []
  const { backend } = batchBackend({
    rate: { events: 10, per: 1_000, burst: 3 },
    async send(events) {
      sent.push(events.map(({ data }) => String(data)))
      if (events.length > 1) throw new Error('not as a whole')
      return [delivered]
    },
  })
  await using outbox = new TestOutbox({ limited: backend }, store)
  await outbox.publish([null, null, null], { backend: 'limited' })
  await using worker = outbox.broadcaster.worker()
  await worker.start()
  ;(await request(0)).answer({ taken: 3, wait: 0 })
  for (const n of [1, 2, 3]) (await request(n)).answer({ taken: 1, wait: 0 })
  await outbox.until(() => outbox.heard('event.published').length === 3)
  assert.deepEqual(
    sent.map(({ length }) => length),
    [3, 1, 1, 1],
  )
})

test('a rate that does not fit is refused where the backend is given', () => {
  const backend = { ...recordingBackend(), rate: '50', destinationRate: '0/s' }
  assert.throws(() => new TestOutbox({ limited: backend }), {
    code: 'INVALID_OPTION',
    message: /backends\.limited has a rate that is "50".*backends\.limited has a destinationRate that is "0\/s"/s,
  })
})

test('rates by the store itself: nothing is lost, a second worker adds nothing, and a drain keeps to them', async () => {
  const limited = recordingBackend()
  await using outbox = new TestOutbox({ limited: { ...limited, rate: { events: 100, per: 1_000, burst: 5 } } })
  const begin = performance.now()
  await outbox.publish(
    Array.from({ length: 40 }, (_, n) => `k${n % 7}`),
    { backend: 'limited' },
  )
  await using one = outbox.broadcaster.worker()
  await using two = outbox.broadcaster.worker()
  await Promise.all([one.start(), two.start()])
  await outbox.until(() => outbox.heard('event.published').length === 40)
  assert.ok(performance.now() - begin >= ((40 - 5) / 100) * 1_000)
  for (let key = 0; key < 7; key++) {
    const of = limited.received.filter(({ partitionKey }) => partitionKey === `k${key}`).map(({ data }) => Number(data))
    assert.deepEqual(
      of,
      of.toSorted((a, b) => a - b),
    )
  }
  await Promise.all([one.stop(), two.stop()])
  await outbox.publish(new Array(20).fill(null), { backend: 'limited' })
  assert.equal(await outbox.broadcaster.processPendingEvents(), 20)
  assert.ok(performance.now() - begin >= ((60 - 5) / 100) * 1_000)
})

test('permits of what waits for a slot that outboxes share are kept until there is one', async (t) => {
  const tenants = new Tenants(t)
  const { store, asked, request } = steered()
  const sending = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const slow = recordingBackend(async () => {
    sending.resolve()
    await release.promise
    return delivered
  })
  const other = await tenants.open('other', { main: slow }, memoryStore({ lanes: 8 }) as Store)
  const limited = await tenants.open('limited', { main: { ...recordingBackend(), rate: 10 } }, store)
  await publish(other, 1)
  const pool = new WorkerPool([other], { concurrency: 1 })
  await pool.start()
  await sending.promise
  await publish(limited, 1)
  await pool.add(limited)
  ;(await request(0)).answer({ taken: 1, wait: 0 })
  // What follows an answer has happened.
  await new Promise((resolve) => setImmediate(resolve))
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + 2 * LAPSE)
  release.resolve()
  await Promise.race([request(1), tenants.until(() => tenants.published(limited) === 1)])
  assert.equal(asked.length, 1)
  await pool.stop()
})
