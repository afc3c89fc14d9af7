import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { DeadLetterPlace } from '../../src/consumer/dead-letter-place.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import type { Inspection } from '../../src/store/inspection.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { opened, take, wireEvents } from '../../src/testing/subscription/steps.ts'
import { root } from '../project/source-files.ts'

/** The door for operators, from outside. What each store looks up is in `src/testing/store/look-cases.ts`. */

function broadcasterOn<Tx>(store: Store<Tx>) {
  return new Broadcaster({ store, backends: { main: memoryBackend() }, name: 'shop', logger: false })
}

test('status of an outbox that is not there: the schema and a finding, and no error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-status-'))
  await using broadcaster = broadcasterOn(sqlite({ path: join(folder, 'o.db') }))
  const { schema, at, backends, findings } = await broadcaster.status()
  assert.equal(schema.version, 0)
  assert.ok(schema.pending.length > 0)
  assert.deepEqual([at, backends, findings.map(({ code }) => code)], [null, [], ['schema-outdated']])
  rmSync(folder, { recursive: true })
})

for (const [what, now, code] of [
  ['at the end of a look of 5 s, as with a connection that was slow to open', 5_000, 'clock-agrees'],
  ['at its beginning, as with an answer that was slow to come', 0, 'clock-agrees'],
  ['after its end', 6_001, 'clock-differs'],
  ['before its beginning', -1_001, 'clock-differs'],
] as const) {
  test(`the clocks are compared with the whole look at the database, not with its middle: ${what}`, async (t) => {
    const started = 1_700_000_000_000
    t.mock.timers.enable({ apis: ['Date'], now: started })
    const store = memoryStore()
    const inspect = (): Promise<Inspection> => {
      t.mock.timers.tick(5_000)
      return Promise.resolve({
        now: new Date(started + now),
        missingIndexes: [],
        extraIndexes: [],
        unreachable: [],
        server: {},
      })
    }
    await using broadcaster = broadcasterOn({ ...store, schema: { ...store.schema, inspect } })
    const { findings } = await broadcaster.status()
    assert.deepEqual(
      findings.map((one) => one.code).filter((one) => one.startsWith('clock')),
      [code],
    )
  })
}

test('status tells of workers, lanes, what waits and what is blocked', async () => {
  await using broadcaster = broadcasterOn(memoryStore({ lanes: 2 }))
  const publish = (): Promise<unknown> =>
    broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'a', source: '/s', partitionKey: 'k' }))
  await publish()
  await publish()
  const [first] = await broadcaster.events.all()
  await first?.markAsFailed('no')
  const status = await broadcaster.status()
  assert.equal(status.outbox, 'shop')
  assert.equal(status.description, 'memory outbox_events')
  assert.ok(status.at instanceof Date)
  const [main] = status.backends
  assert.deepEqual([main?.backend, main?.configured, main?.waiting.count], ['main', true, 1])
  assert.deepEqual(
    status.blockedKeys.map(({ partitionKey, heldBy }) => [partitionKey, heldBy]),
    [['k', first?.id]],
  )
  assert.deepEqual(
    status.findings.filter(({ level }) => level === 'wrong').map(({ code }) => code),
    ['no-worker', 'events-failed'],
  )
  const { backends: _, ...stats } = await broadcaster.admin.stats()
  assert.deepEqual(stats, { totalRows: 2, totalRowsIsEstimate: false })

  const worker = broadcaster.worker({ name: 'one' })
  await worker.start()
  while ((await broadcaster.status()).workers[0]?.lanes !== 2) await new Promise(setImmediate)
  await worker.stop()
  assert.ok((await broadcaster.status()).lanes.every(({ owner, orphaned }) => owner === null && !orphaned))
})

test('admin: what operators do, breakers and retention', async () => {
  const store = memoryStore({ lanes: 2 })
  await using broadcaster = broadcasterOn(store)
  const { admin } = broadcaster
  const make = () => broadcaster.events.create({ type: 'a', source: '/s' })
  const [one, two] = [await make(), await make()]
  assert.deepEqual(await admin.preview('requeue', [one.id, '00000000-0000-7000-8000-000000000000']), {
    matches: 0,
    unchanged: 1,
    missing: 1,
  })
  assert.deepEqual((await admin.cancel(one.id)).moved, [one.id])
  assert.deepEqual((await admin.reschedule({ eventType: 'a' }, new Date(Date.now() + 60_000))).moved, [two.id])
  assert.equal((await admin.get(one.id)).status, 'cancelled')
  assert.equal(await admin.count({ status: 'cancelled' }), 1)
  assert.equal(await admin.purge({ published: null, failed: 0 }), 1)
  assert.equal(await admin.count(), 1)
  await assert.rejects(admin.requeue({}), { code: 'INVALID_OPTION' })

  for (const id of ['1', '2']) {
    await broadcaster.transaction((tx) => broadcaster.inbox.once(tx, 'billing', { source: '/s', id }, () => undefined))
  }
  const inPurge = { published: null, failed: null }
  assert.equal(await admin.purge(inPurge), 0)
  assert.equal(await admin.purge({ ...inPurge, inbox: 60_000 }), 0)
  assert.equal(await admin.purge({ ...inPurge, inbox: 0, signal: AbortSignal.abort() }), 0)
  assert.equal(await admin.purge({ ...inPurge, inbox: 0 }), 2)
  assert.equal(await admin.purge({ ...inPurge, inbox: 0 }), 0)

  await store.coordination.breakers.open('main', 1_000, 'down')
  await store.coordination.destinations.open('main', 'there', 1_000, 'away')
  assert.deepEqual(
    (await admin.openBreakers()).map(({ backend, destination, error }) => [backend, destination, error]),
    [
      ['main', '', 'down'],
      ['main', 'there', 'away'],
    ],
  )
  assert.equal(await admin.closeBreaker('main', 'nowhere'), 0)
  assert.equal(await admin.closeBreaker('main'), 2)
  assert.deepEqual(await admin.openBreakers(), [])
})

test('admin: a page of dead letters has 100 and an end, unless the caller says otherwise', async () => {
  const asked: { readonly limit: number; readonly after?: string | undefined; readonly signal: AbortSignal }[] = []
  const place: DeadLetterPlace = {
    description: 'x',
    list: (page, signal) => Promise.resolve(void asked.push({ ...page, signal })).then(() => []),
    requeue: (_, signal) => Promise.resolve(asked.push({ limit: 0, signal }) > 0),
    close: () => Promise.resolve(),
  }
  const billing: Subscription = { ...memorySubscription(), deadLetterPlace: () => place }
  await using broadcaster = new Broadcaster({ store: memoryStore(), subscriptions: { billing } })
  const letters = broadcaster.admin.deadLetters('billing')
  const { signal } = new AbortController()
  await letters.list()
  await letters.requeue('a')
  await letters.list({ limit: 7, after: 'a' }, signal)
  await letters.requeue('a', signal)
  assert.deepEqual(
    asked.map(({ limit, after }) => [limit, after]),
    [
      [100, undefined],
      [0, undefined],
      [7, 'a'],
      [0, undefined],
    ],
  )
  for (const one of asked.slice(0, 2)) assert.ok(one.signal instanceof AbortSignal && one.signal !== signal)
  for (const one of asked.slice(2)) assert.equal(one.signal, signal)
})

test('admin: the dead letters of a consumer', async () => {
  const billing = memorySubscription()
  await opened(billing)
  billing.deliver(...wireEvents(2, 1))
  for (const delivery of await take(billing, 2)) {
    await delivery.deadLetter({ consumer: 'billing', error: new Error('no such customer'), attempts: 3 })
  }
  const { deadLetterPlace: _, ...poor } = memorySubscription()
  await using broadcaster = new Broadcaster({
    store: memoryStore(),
    subscriptions: { billing, poor: poor as Subscription },
  })
  const { admin } = broadcaster
  const { signal } = new AbortController()
  const place = admin.deadLetters('billing')
  const [letter, ...more] = await place.list()
  assert.equal(more.length, 1)
  assert.equal(letter?.consumer, 'billing')
  assert.deepEqual(
    (await place.list({ limit: 1, after: letter?.id }, signal)).map(({ id }) => id),
    more.map(({ id }) => id),
  )
  await assert.rejects(place.list({ limit: 0 }), { code: 'INVALID_OPTION', field: 'limit' })
  assert.equal(await place.requeue(letter?.id ?? ''), true)
  assert.equal((await place.list({ after: undefined }, undefined)).length, 1)
  assert.equal(await place.requeue(letter?.id ?? '', signal), false)
  assert.equal((await take(billing, 1))[0]?.event?.dataJson, '{"n":0}')
  await place.close()
  const refused = (consumer: string, message: RegExp): void =>
    assert.throws(() => admin.deadLetters(consumer), { code: 'INVALID_OPTION', field: 'consumer', message })
  refused('biling', /did you mean "billing"/)
  refused('toString', /there are billing, poor/)
  refused('poor', /no deadLetterPlace/)
})

/** As somebody who may only read the file: root may write whatever the file says. */
test('status of a SQLite file that may only be read', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can become a user who may not write')
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-readonly-'))
  const path = join(folder, 'o.db')
  const config = join(folder, 'look.mjs')
  try {
    const store = sqlite({ path })
    await store.schema.migrate({ lanes: 2 })
    await using broadcaster = broadcasterOn(store)
    await broadcaster.events.create({ type: 'a', source: '/s' })
    await store.coordination.enter({ name: 'dead', backends: ['main'], lease: 0 })
    writeFileSync(
      config,
      `import { Broadcaster } from '${root}/src/broadcaster.ts'
import { sqlite } from '${root}/src/store/sqlite/sqlite.ts'
process.setgid(65534)
process.setuid(65534)
const broadcaster = new Broadcaster({ store: sqlite({ path: '${path}' }), logger: false })
const { backends, workers, findings } = await broadcaster.status()
const refused = await broadcaster.events.delete({ all: true }).then(() => false, () => true)
console.log(JSON.stringify({ backends, workers, codes: findings.map(({ code }) => code), refused }))
await broadcaster.close()`,
    )
    for (const name of [path, `${path}-wal`, `${path}-shm`]) chmodSync(name, 0o444)
    chmodSync(folder, 0o555)
    const dump = (): unknown => {
      using database = new DatabaseSync(path, { readOnly: true })
      const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
      return tables.map(({ name }) => database.prepare(`SELECT * FROM "${String(name)}"`).all())
    }
    const before = dump()
    const bytes = readFileSync(path)
    const { stdout } = await promisify(execFile)(process.execPath, [config])
    const seen = JSON.parse(stdout)
    assert.equal(seen.backends[0]?.waiting.count, 1)
    assert.deepEqual(seen.workers, [])
    assert.ok(seen.codes.includes('no-worker'))
    assert.equal(seen.refused, true)
    assert.deepEqual(dump(), before)
    assert.deepEqual(readFileSync(path), bytes)
  } finally {
    chmodSync(folder, 0o755)
    rmSync(folder, { recursive: true })
  }
})
