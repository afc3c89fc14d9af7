import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { openOutbox } from './open-outbox.ts'

const event = { type: 'order.created', source: '/orders' }
const many = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ ...event, data: n, partitionKey: `k${n % 40}` }))

test('two workers publish each event once', async (t) => {
  const backend = memoryBackend()
  const { broadcaster } = await openOutbox(t, { backends: { default: backend } })
  const workers = [broadcaster.worker(), broadcaster.worker()]
  for (const worker of workers) await worker.start()
  for (let n = 0; n < 4; n++) await broadcaster.transaction((tx) => broadcaster.publishMany(tx, many(100)))
  await backend.waitFor(400)
  // The control: deliveries of the same event twice would be counted twice.
  await Promise.all(workers.map((worker) => worker.stop()))
  assert.equal(backend.events.length, 400)
  assert.equal(new Set(backend.events.map(({ id }) => id)).size, 400)
})

test('events go in batches: one send for many', async (t) => {
  const outbox = await openOutbox(t, { backends: { default: memoryBackend() } })
  await outbox.broadcaster.transaction((tx) => outbox.broadcaster.publishMany(tx, many(100)))
  const sent = outbox.heard('batch.sent', 1)
  assert.equal(await outbox.broadcaster.processPendingEvents(), 100)
  assert.ok(((await sent)[0]?.sent ?? 0) > 10)
})

test('handlers run after the commit, never for what was rolled back, and a failure is tried again', async (t) => {
  const calls: unknown[] = []
  const registry = new HandlerRegistry().on(
    'order.created',
    (one) => {
      calls.push(one.data)
      if (calls.length === 1) throw new Error('the first time fails')
    },
    { name: 'count' },
  )
  const outbox = await openOutbox(t, {
    backends: { local: handlers(registry) },
    worker: { retry: { base: 50, jitter: 'none' } },
  })
  const { broadcaster, database } = outbox
  database.exec('BEGIN IMMEDIATE')
  await broadcaster.publish(database, { ...event, data: 'rolled back' })
  assert.deepEqual(calls, [], 'not inside the transaction')
  database.exec('ROLLBACK')
  await broadcaster.events.create({ ...event, data: 'committed' })
  const published = outbox.heard('event.published', 1)
  await broadcaster.worker().start()
  await published
  assert.deepEqual(calls, ['committed', 'committed'])
})

test('back-pressure: a worker holds a bounded number of events', async (t) => {
  const backend = memoryBackend()
  backend.faults.hold()
  let fetched = 0
  const full = Promise.withResolvers<void>()
  const outbox = await openOutbox(
    t,
    { backends: { default: backend }, worker: { batchSize: 20, maxInHand: 100 } },
    (store) => ({
      ...store,
      relay: {
        ...store.relay,
        async fetch(names, lanes) {
          const rows = await store.relay.fetch(names, lanes)
          fetched += rows.length
          if (fetched >= 100) full.resolve()
          return rows
        },
      },
    }),
  )
  const { broadcaster } = outbox
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, many(1_000)))
  const worker = broadcaster.worker()
  await worker.start()
  await full.promise
  worker.wake()
  assert.equal(await broadcaster.events.filter({ status: 'pending' }).count(), 1_000)
  // A read asks for at least one row of each of the 64 lanes, so the bound is exceeded by less than that.
  assert.ok(fetched <= 164, `${fetched} fetched while nothing was acknowledged`)
  backend.faults.release()
  await backend.waitFor(1_000)
})

test('the filters of the admin list', async (t) => {
  const { broadcaster } = await openOutbox(t, { backends: { one: memoryBackend(), two: memoryBackend() } })
  const first = await broadcaster.events.create({ ...event, subject: 'a' })
  const second = await broadcaster.events.create(
    { type: 'order.paid', source: '/pay', subject: 'b' },
    { backend: 'two' },
  )
  await second.incrementRetry('no')
  const ids = async (filter: Parameters<typeof broadcaster.events.filter>[0]) =>
    (await broadcaster.events.filter(filter).all()).map(({ id }) => id)
  assert.deepEqual(await ids({ status: 'pending' }), [first.id])
  assert.deepEqual(await ids({ eventType: 'order.paid' }), [second.id])
  assert.deepEqual(await ids({ source: '/orders' }), [first.id])
  assert.deepEqual(await ids({ publisherBackend: 'two' }), [second.id])
  assert.deepEqual(await ids({ retryCount: { gte: 1 } }), [second.id])
})
