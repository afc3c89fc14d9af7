import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Broadcaster,
  BroadcasterError,
  type Health,
  type HealthCheck,
  healthHandler,
  notDelivered,
  PermanentError,
  WorkerPool,
} from 'ts-broadcaster'
import { redisStreams } from 'ts-broadcaster/redis-streams'
import { sqlite } from 'ts-broadcaster/sqlite'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { freePort } from '../backend/redis-process.ts'
import { QUICK, recordingBackend, TestOutbox } from '../relay/outbox.ts'
import { LIMITED_KINDS } from '../store/limits-kinds.ts'
import { skipWithout } from '../support/servers.ts'

const FRESH = { maxAge: 0 }

function sqliteStore(t: TestContext): Store {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-health-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return sqlite({ path: join(folder, 'a.db') }) as Store
}

function checkOf({ checks }: Pick<Health, 'checks'>, kind: HealthCheck['kind']): HealthCheck | undefined {
  return checks.find((check) => check.kind === kind)
}

/** Asks until it is so; fails after half a minute. */
async function until(look: () => Promise<Health>, isSo: (health: Health) => boolean): Promise<Health> {
  const end = performance.now() + 30_000
  for (;;) {
    const health = await look()
    if (isSo(health)) return health
    assert.ok(performance.now() < end, `it never came to that: ${JSON.stringify(health)}`)
    await sleep(20)
  }
}

async function codes(outbox: Broadcaster): Promise<readonly number[]> {
  const handler = healthHandler(outbox, FRESH)
  const answers = ['/livez', '/readyz'].map((path) => handler(new Request(`http://any.example${path}`)))
  return (await Promise.all(answers)).map(({ status }) => status)
}

test('SQLite: ready when the schema is there, the worker at work and a backend healthy', async (t) => {
  const store = sqliteStore(t)
  await using outbox = new TestOutbox({}, store)
  const { broadcaster } = outbox
  const missing = await broadcaster.health(FRESH)
  assert.deepEqual([missing.live, missing.ready], [true, false])
  assert.match(checkOf(missing, 'database')?.detail ?? '', /broadcaster migrate/)
  await store.schema.migrate()
  // A service that only publishes has no use for its backends.
  outbox.backend.healthCheck = async () => ({ healthy: false, detail: 'down' })
  const publishing = await broadcaster.health(FRESH)
  assert.deepEqual([publishing.live, publishing.ready, publishing.checks.length], [true, true, 1])

  const worker = broadcaster.worker({ name: 'one' })
  const before = await broadcaster.health(FRESH)
  assert.deepEqual([before.live, before.ready, checkOf(before, 'worker')?.detail], [true, false, 'is stopped'])
  await worker.start()
  const down = await broadcaster.health(FRESH)
  assert.deepEqual([down.live, down.ready], [true, false])
  assert.deepEqual(checkOf(down, 'backend'), {
    kind: 'backend',
    name: 'main',
    live: true,
    ready: false,
    detail: 'down',
  })
  assert.equal((await broadcaster.health({ ...FRESH, askBackends: false })).ready, true)
  outbox.backend.healthCheck = async () => ({ healthy: true })
  const well = await broadcaster.health(FRESH)
  assert.deepEqual([well.live, well.ready], [true, true])
  assert.deepEqual(
    well.checks.map(({ kind, name, detail }) => [kind, name, detail]),
    [
      ['database', broadcaster.store.description, null],
      ['backend', 'main', null],
      ['worker', 'one', null],
    ],
  )
  await worker.stop()
  const stopped = await broadcaster.health(FRESH)
  assert.deepEqual([stopped.live, stopped.ready], [true, false])
  await broadcaster.close()
  const closed = await broadcaster.health(FRESH)
  assert.deepEqual([closed.live, closed.ready], [true, false])
  assert.match(checkOf(closed, 'database')?.detail ?? '', /closed/)
})

test('one of two backends that are served is enough, and those that others serve do not count', async () => {
  const away = { ...recordingBackend(), healthCheck: async () => ({ healthy: false }) }
  await using outbox = new TestOutbox({ away })
  const { broadcaster } = outbox
  await using both = broadcaster.worker()
  await both.start()
  assert.equal((await broadcaster.health(FRESH)).ready, true)
  await both.stop()
  await using one = broadcaster.worker({ backends: ['away'] })
  await one.start()
  const health = await broadcaster.health(FRESH)
  assert.deepEqual(
    health.checks.filter(({ kind }) => kind === 'backend').map(({ name }) => name),
    ['away'],
  )
  assert.equal(health.ready, false)
})

test('a broker that is down: alive, and not ready', async (t) => {
  const port = await freePort()
  const backends = { default: redisStreams({ url: `redis://127.0.0.1:${port}`, stream: 'none' }) }
  const broadcaster = new Broadcaster({ store: memoryStore(), backends, logger: false, worker: QUICK })
  t.after(() => broadcaster.close())
  await broadcaster.worker().start()
  const health = await broadcaster.health(FRESH)
  assert.deepEqual([health.live, health.ready], [true, false])
  assert.deepEqual(await codes(broadcaster), [200, 503])
})

test('many probes cost one query', async () => {
  const store = memoryStore()
  let asked = 0
  const { check } = store.schema
  store.schema.check = () => {
    asked++
    return check()
  }
  await using outbox = new TestOutbox({}, store as Store)
  const answers = await Promise.all(Array.from({ length: 100 }, () => outbox.broadcaster.health({ maxAge: 60_000 })))
  assert.ok(answers.every(({ ready }) => ready))
  await outbox.broadcaster.health({ maxAge: 60_000 })
  assert.equal(asked, 1)
})

test('findings have no say: an event that failed and blocks its key, and others behind it', async () => {
  await using outbox = new TestOutbox()
  const { broadcaster } = outbox
  await using worker = broadcaster.worker({ onFailed: 'block' })
  await worker.start()
  outbox.backend.behaviour = () => notDelivered(new PermanentError('refused for good'))
  await outbox.publish(['a', 'a', 'a'])
  await outbox.until(() => outbox.heard('event.failed').length > 0)
  const { findings } = await broadcaster.status()
  assert.ok(findings.some(({ code, level }) => code === 'events-failed' && level === 'wrong'))
  assert.deepEqual(await codes(broadcaster), [200, 200])
})

test('a worker whose loops have not turned for too long is not alive, until they turn', async (t) => {
  await using outbox = new TestOutbox()
  const { broadcaster } = outbox
  await using worker = broadcaster.worker()
  await worker.start()
  assert.equal(broadcaster.liveness().live, true)
  const { now } = performance
  let ahead = 0
  t.mock.method(performance, 'now', () => now.call(performance) + ahead)
  ahead = 600_000
  const { live, checks } = broadcaster.liveness()
  assert.equal(live, false)
  assert.match(checks[0]?.detail ?? '', /^hangs: heartbeat \(overdue by 9 min\), main \(overdue by/)
  await until(
    () => broadcaster.health(FRESH),
    (health) => health.live,
  )
})

test('a heartbeat that waits until what was sent is recorded is not taken for one that hangs', async (t) => {
  const store = memoryStore({ lanes: 2 })
  const { settle } = store.relay
  const { renew } = store.coordination
  let away = false
  const unlessAway =
    <Given extends readonly unknown[], Result>(ask: (...given: Given) => Promise<Result>) =>
    (...given: Given): Promise<Result> =>
      away ? Promise.reject(new BroadcasterError('STORE_UNAVAILABLE', 'away')) : ask(...given)
  store.relay.settle = unlessAway(settle)
  store.coordination.renew = unlessAway(renew)
  await using outbox = new TestOutbox({}, store as Store)
  const { broadcaster } = outbox
  await using worker = broadcaster.worker({ lease: 400 })
  await worker.start()
  away = true
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('lane.lost').some(({ reason }) => reason === 'lease-ended'))
  // It waits for its lanes from the next turn of the event loop on.
  await new Promise((resolve) => setImmediate(resolve))
  const { now } = performance
  let ahead = 600_000
  t.mock.method(performance, 'now', () => now.call(performance) + ahead)
  const [check] = broadcaster.liveness().checks
  assert.match(check?.detail ?? '', /^hangs: main/, 'the control: the cycle is late by this clock')
  ahead = 0
  away = false
  await until(
    () => broadcaster.health(FRESH),
    ({ ready }) => ready,
  )
})

for (const kind of LIMITED_KINDS) {
  test(`${kind.title} falls silent: alive, not ready within the timeout, and ready again by itself`, {
    skip: skipWithout(kind.name),
    timeout: 120_000,
  }, async () => {
    const place = await kind.open({ statementTimeout: 1_000 })
    try {
      const { store, proxy } = place
      await using outbox = new TestOutbox({}, store)
      const { broadcaster } = outbox
      await using worker = broadcaster.worker({ lease: 1_000 })
      await worker.start()
      assert.deepEqual(await codes(broadcaster), [200, 200])
      proxy.silence('both')
      const started = performance.now()
      const health = await broadcaster.health({ maxAge: 0, timeout: 100 })
      assert.deepEqual([health.live, health.ready], [true, false])
      assert.ok(performance.now() - started < 5_000)
      await outbox.until(() => outbox.heard('store.down').length > 0)
      const down = await broadcaster.health(FRESH)
      assert.deepEqual([down.live, down.ready], [true, false])
      assert.match(checkOf(down, 'worker')?.detail ?? '', /^its heartbeat failed: /)
      // What was swallowed does not come again, as it would on a path that is back: those connections are gone.
      proxy.cut()
      proxy.silence(false)
      await until(
        () => broadcaster.health(FRESH),
        ({ ready }) => ready,
      )
      // Connections that were open die without a word, and new ones are well.
      proxy.freeze()
      await until(
        () => broadcaster.health(FRESH),
        ({ ready }) => !ready,
      )
      await until(
        () => broadcaster.health(FRESH),
        ({ ready }) => ready,
      )
      proxy.cut()
      await proxy.stop()
      await until(
        () => broadcaster.health(FRESH),
        ({ ready }) => !ready,
      )
      assert.equal(broadcaster.liveness().live, true)
      await proxy.start()
      await until(
        () => broadcaster.health(FRESH),
        ({ ready }) => ready,
      )
    } finally {
      await place.close()
    }
  })
}

test('a pool with one outbox that is down: alive, and ready as far as any of them counts', async (t) => {
  const store = memoryStore()
  store.schema.check = () => Promise.reject(new BroadcasterError('STORE_UNAVAILABLE', 'away'))
  await using well = new TestOutbox()
  await using away = new TestOutbox({}, store as Store)
  const pool = new WorkerPool([well.broadcaster, away.broadcaster])
  t.after(() => pool.stop())
  await pool.start()
  assert.deepEqual(
    pool.status().map(({ state }) => state),
    ['running', 'down'],
  )
  const sources = [well.broadcaster, away.broadcaster]
  for (const [readyWhen, path, status] of [
    ['all', '/livez', 200],
    ['all', '/readyz', 503],
    ['any', '/readyz', 200],
    ['any', '/healthz', 200],
  ] as const) {
    const answer = await healthHandler(sources, { ...FRESH, readyWhen })(new Request(`http://any.example${path}`))
    assert.equal(answer.status, status, `${readyWhen} ${path}`)
  }
})

test('a database that is away at the start: alive, starting, and ready once it is there', async (t) => {
  const store = memoryStore()
  const { check } = store.schema
  let away = true
  store.schema.check = () => (away ? Promise.reject(new BroadcasterError('STORE_UNAVAILABLE', 'away')) : check())
  await using outbox = new TestOutbox({}, store as Store)
  const { broadcaster } = outbox
  const worker = broadcaster.worker()
  const starting = worker.start()
  t.after(() => worker.stop())
  await outbox.until(() => outbox.heard('store.down').length > 0)
  const health = await broadcaster.health(FRESH)
  assert.deepEqual([health.live, health.ready, checkOf(health, 'worker')?.detail], [true, false, 'is starting'])
  away = false
  await starting
  assert.equal((await broadcaster.health(FRESH)).ready, true)
})
