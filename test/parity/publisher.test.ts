import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { recordingBackend } from '../relay/outbox.ts'
import { openOutbox } from './open-outbox.ts'

const event = { type: 'order.created', source: '/orders' }

test("every argument of Django's publish has its place, and the record is returned", async (t) => {
  const { broadcaster, database } = await openOutbox(t, {
    backends: { default: memoryBackend(), partners: memoryBackend() },
  })
  const scheduledAt = new Date('2030-01-02T03:04:05.000Z')
  database.exec('BEGIN IMMEDIATE')
  const made = await broadcaster.publish(
    database,
    { ...event, data: { total: 42 }, subject: 'order-1' },
    { backend: 'partners', scheduledAt, maxRetries: 6, backendConfig: { region: 'eu' } },
  )
  database.exec('COMMIT')
  const stored = await broadcaster.events.get(made.id)
  for (const one of [made, stored]) {
    assert.deepEqual(
      [one.eventType, one.source, one.data, one.subject, one.publisherBackend, one.scheduledAt, one.maxRetries],
      ['order.created', '/orders', { total: 42 }, 'order-1', 'partners', scheduledAt, 7],
    )
    assert.deepEqual(one.publisherConfig, { region: 'eu' })
  }
})

test('a publish is one row in the transaction of the caller', async (t) => {
  const { broadcaster, database } = await openOutbox(t, { backends: { default: memoryBackend() } })
  database.exec('BEGIN IMMEDIATE')
  await broadcaster.publish(database, event)
  database.exec('ROLLBACK')
  assert.equal(await broadcaster.events.count(), 0)
  database.exec('BEGIN IMMEDIATE')
  await broadcaster.publish(database, event)
  assert.equal(await broadcaster.events.count(), 0, 'not visible before the commit')
  database.exec('COMMIT')
  assert.equal(await broadcaster.events.count(), 1)
})

test('process pending events takes all that is due, or as many as it is told, in order within a key, and returns how many were published', async (t) => {
  const backend = memoryBackend()
  const { broadcaster } = await openOutbox(t, { backends: { default: backend } })
  await broadcaster.transaction((tx) =>
    broadcaster.publishMany(
      tx,
      Array.from({ length: 130 }, (_, n) => ({ ...event, data: n, partitionKey: `key-${n % 5}` })),
    ),
  )
  assert.equal(await broadcaster.processPendingEvents({ limit: 20 }), 20)
  assert.equal(await broadcaster.processPendingEvents(), 110)
  assert.equal(await broadcaster.processPendingEvents(), 0)
  for (const [, events] of Map.groupBy(backend.events, ({ partitionKey }) => partitionKey)) {
    const numbers = events.map(({ data }) => data as number)
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
  }
})

test('what is not due yet is left alone', async (t) => {
  const backend = memoryBackend()
  const { broadcaster } = await openOutbox(t, { backends: { default: backend } })
  const later = await broadcaster.events.create(event, { delay: 3_600_000 })
  await broadcaster.events.create({ ...event, subject: 'now' })
  assert.equal(await broadcaster.processPendingEvents(), 1)
  assert.deepEqual(
    backend.events.map(({ subject }) => subject),
    ['now'],
  )
  await broadcaster.events.reschedule(later.id, new Date(0))
  assert.equal(await broadcaster.processPendingEvents(), 1)
})

test('health of every backend, by name; a check that throws or does not end counts as unhealthy', async (t) => {
  const up = memoryBackend()
  const down = memoryBackend()
  down.faults.down()
  const broken = { ...recordingBackend(), healthCheck: () => Promise.reject(new Error('no answer')) }
  const silent = { ...recordingBackend(), healthCheck: () => new Promise<never>(() => {}) }
  const { broadcaster } = await openOutbox(t, { backends: { up, down, broken, silent } })
  const health = await broadcaster.getBackendHealth({ timeout: 50 })
  assert.deepEqual(
    Object.entries(health).map(([name, { healthy, detail }]) => [name, healthy, detail]),
    [
      ['up', true, undefined],
      ['down', false, 'down, as the test asked'],
      ['broken', false, 'no answer'],
      ['silent', false, 'no answer within 50 ms'],
    ],
  )
})

test('the default backend is the first configured; an event may name another', async (t) => {
  const [one, two] = [memoryBackend(), memoryBackend()]
  const { broadcaster } = await openOutbox(t, { backends: { one, two } })
  await broadcaster.events.create({ ...event, subject: 'unnamed' })
  await broadcaster.events.create({ ...event, subject: 'named' }, { backend: 'two' })
  assert.equal(await broadcaster.processPendingEvents(), 2)
  assert.deepEqual([one.events[0]?.subject, two.events[0]?.subject], ['unnamed', 'named'])
})

test('a backend can be registered under a name', async (t) => {
  const { broadcaster } = await openOutbox(t, { backends: { default: memoryBackend() } })
  await assert.rejects(broadcaster.events.create(event, { backend: 'late' }), { code: 'UNKNOWN_BACKEND' })
  const late = recordingBackend()
  broadcaster.registerBackend('late', late)
  await broadcaster.events.create(event, { backend: 'late' })
  assert.equal(await broadcaster.processPendingEvents(), 1)
  assert.equal(late.received.length, 1)
  assert.throws(() => broadcaster.registerBackend('late', late), { code: 'INVALID_OPTION' })
})

test('the signals event created and event published', async (t) => {
  const outbox = await openOutbox(t, { backends: { default: memoryBackend() } })
  const created = outbox.heard('event.created', 1)
  const published = outbox.heard('event.published', 1)
  const { id } = await outbox.broadcaster.events.create(event)
  assert.equal((await created)[0]?.record.id, id)
  await outbox.broadcaster.processPendingEvents()
  const [message] = await published
  assert.deepEqual([message?.record.id, message?.backend], [id, 'default'])
})
