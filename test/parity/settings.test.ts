import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { runCli } from '../../src/cli/run.ts'
import { resolveOptions } from '../../src/redis-streams/options.ts'
import { resolveWorkerOptions } from '../../src/relay/worker-options.ts'
import { root } from '../project/source-files.ts'
import { recordingBackend } from '../relay/outbox.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { openOutbox } from './open-outbox.ts'

const event = { type: 'order.created', source: '/orders' }

test('the defaults of a worker', () => {
  const { batchSize, pollInterval, maxIterations } = resolveWorkerOptions()
  assert.deepEqual(
    { batchSize, pollInterval, maxIterations },
    { batchSize: 100, pollInterval: 1_000, maxIterations: 0 },
  )
})

test('the defaults of Redis Streams', () => {
  const { address, stream, trim, connectTimeout, timeout } = resolveOptions({})
  assert.deepEqual([address.host, address.port, address.db, address.password], ['localhost', 6379, 0, undefined])
  // Django's 10,000 entries would be dropped unread: docs/decisions/0061-redis-trim.md.
  assert.equal(trim, undefined)
  assert.deepEqual([stream, connectTimeout, timeout], ['events', 5_000, 5_000])
})

test("a worker with Django's settings keeps Django's schedule", async (t) => {
  const failing = recordingBackend(() => ({ ok: false, error: new Error('no') }))
  const outbox = await openOutbox(t, {
    backends: { default: failing },
    maxRetries: 2,
    worker: { batchSize: 100, pollInterval: 5_000, retry: 'django' },
  })
  const { id } = await outbox.broadcaster.events.create(event)
  const retried = outbox.heard('event.retried', 1)
  assert.equal(await outbox.broadcaster.processPendingEvents(), 0)
  assert.equal((await retried)[0]?.delay, 2 * 60_000)
  const row = await outbox.broadcaster.events.get(id)
  assert.deepEqual([row.status, row.retryCount], ['retry', 1])
})

test('exponential backoff can be switched off: a fixed wait', async (t) => {
  const failing = recordingBackend(() => ({ ok: false, error: new Error('no') }))
  const outbox = await openOutbox(t, { backends: { default: failing }, worker: { retry: () => 30_000 } })
  await outbox.broadcaster.events.create(event)
  const retried = outbox.heard('event.retried', 1)
  await outbox.broadcaster.processPendingEvents()
  assert.equal((await retried)[0]?.delay, 30_000)
})

/** Four settled events, some older than what is kept by default, others not. */
async function settledEvents(t: TestContext, retention: false | undefined) {
  const worker = retention === undefined ? {} : { retention }
  const outbox = await openOutbox(t, { backends: { default: memoryBackend() }, worker })
  const day = 24 * 60 * 60 * 1_000
  const ages = { 'failed 31': 31, 'failed 29': 29, 'published 8': 8, 'published 6': 6 }
  for (const [subject, age] of Object.entries(ages)) {
    const { id } = await outbox.broadcaster.events.create({ ...event, subject })
    const then = new Date(Date.now() - age * day).toISOString().replace('T', ' ').replace('Z', '000')
    outbox.database
      .prepare('UPDATE outbox_events SET status = ?, created_at = ?, updated_at = ?, published_at = ? WHERE id = ?')
      .run(subject.split(' ')[0] ?? '', then, then, then, id.replaceAll('-', ''))
  }
  const subjects = async () => (await outbox.broadcaster.events.orderBy('seq').all()).map(({ subject }) => subject)
  return { outbox, subjects }
}

test('retention: published events go after 7 days, failed ones after 30', async (t) => {
  const { outbox, subjects } = await settledEvents(t, undefined)
  const purged = outbox.heard('events.purged', 1)
  await outbox.broadcaster.worker().start()
  assert.equal((await purged)[0]?.count, 2)
  assert.deepEqual(await subjects(), ['failed 29', 'published 6'])
})

test('retention can be switched off', async (t) => {
  const { outbox, subjects } = await settledEvents(t, false)
  const published = outbox.heard('event.published', 1)
  await outbox.broadcaster.events.create({ ...event, subject: 'new' })
  const worker = outbox.broadcaster.worker()
  await worker.start()
  await published
  await worker.stop()
  assert.equal((await subjects()).length, 5)
})

test('a worker goes on after an error of the database', async (t) => {
  const backend = memoryBackend()
  let broken = true
  const outbox = await openOutbox(t, { backends: { default: backend } }, (store) => ({
    ...store,
    relay: {
      ...store.relay,
      fetch(names, lanes) {
        if (!broken) return store.relay.fetch(names, lanes)
        broken = false
        return Promise.reject(new Error('the database went away'))
      },
    },
  }))
  const error = outbox.heard('worker.error', 1)
  await outbox.broadcaster.events.create(event)
  await outbox.broadcaster.worker().start()
  assert.match(String((await error)[0]?.error), /the database went away/)
  await backend.waitFor(1)
})

const CONFIG = `
import { Broadcaster } from '${root}/src/broadcaster.ts'
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
const ill = { send: async (events) => events.map(() => ({ ok: true })), healthCheck: async () => ({ healthy: false, detail: 'a fever' }), close: async () => {} }
const config = { store: sqlite({ path: process.env.PARITY_DATABASE }), backends: { ill } }
const broadcaster = new Broadcaster({ ...config, store: sqlite({ path: process.env.PARITY_DATABASE }) })
await broadcaster.store.schema.migrate()
await broadcaster.transaction((tx) =>
  broadcaster.publishMany(tx, Array.from({ length: 5 }, () => ({ type: 'order.created', source: '/orders' }))))
await broadcaster.close()
export default config
`

test('the worker command: batch size, interval, a number of iterations; it reports backends that are not healthy', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-parity-'))
  t.after(() => rmSync(folder, { recursive: true }))
  process.env['PARITY_DATABASE'] = join(folder, 'outbox.db')
  writeFileSync(join(folder, 'broadcaster.config.mjs'), CONFIG)
  const terminal = new FakeTerminal(folder)
  const args = ['worker', '--batch-size', '2', '--interval', '10ms', '--max-iterations', '2', '--verbose']
  assert.equal(await runCli(args, terminal, '0'), 0)
  // A pass goes on until nothing is due, in sends of at most two.
  assert.equal(terminal.lines.filter((line) => line.includes(' published order.created')).length, 5, terminal.output)
  assert.match(terminal.warnings, /backend ill is not healthy: a fever/)
})
