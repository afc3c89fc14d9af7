import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError, PermanentError } from '../../src/backend/send-error.ts'
import type { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { WorkerPool } from '../../src/relay/worker-pool.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { recordingBackend } from './outbox.ts'
import { publish, Tenants } from './tenants.ts'

const url = servers.postgres()?.url ?? ''

/** The sources of what a backend received, without the marks of the test. */
function sourcesOf(backend: { readonly received: readonly { readonly source: string }[] }): readonly string[] {
  return backend.received.map(({ source }) => source.replace(/^\/(\w+)-.*/, '$1'))
}

/** A migrated outbox, and a way to it that can be cut. */
async function behindProxy(t: TestContext) {
  const { hostname, port, pathname, username } = new URL(url)
  assert.equal(hostname, '127.0.0.1')
  const proxy = await StoppableProxy.to(Number(port || 5432))
  t.after(() => proxy.stop())
  const place = openPlace(url)
  t.after(() => place.close())
  await postgres({ pool: place.pool, schema: place.schema }).schema.migrate({ lanes: 8 })
  const connectionString = `postgres://${username}@127.0.0.1:${proxy.port}${pathname}`
  const store = postgres({ url: connectionString, schema: place.schema }) as Store
  return { proxy, store }
}

/** Outboxes in schemas of one database, on one pool of connections. */
async function schemas(t: TestContext, count: number): Promise<readonly Store[]> {
  const places = Array.from({ length: count }, () => openPlace(url))
  const [first] = places
  t.after(() => Promise.all(places.map((place) => place.close())))
  return Promise.all(
    places.map(async ({ schema }) => {
      const store = postgres({ pool: first?.pool ?? openPlace(url).pool, schema }) as Store
      await store.schema.migrate({ lanes: 8 })
      return store
    }),
  )
}

/** Workers that a store lists, with how many lanes each owns. */
async function owners({ store }: Broadcaster): Promise<readonly (readonly [string, number])[]> {
  const { workers, lanes } = await store.coordination.survey(['main'])
  return workers.map(({ id, name }) => [name, lanes.filter(({ owner }) => owner === id).length] as const)
}

test('two outboxes of one name are refused, and so are wrong options', async (t) => {
  const tenants = new Tenants(t)
  const eu = await tenants.open('eu', { main: recordingBackend() })
  const refused = (error: unknown): boolean =>
    error instanceof BroadcasterError && error.code === 'INVALID_OPTION' && error.field === 'name'
  assert.throws(() => new WorkerPool([eu, eu]), refused)
  await using pool = new WorkerPool([eu])
  await assert.rejects(pool.add(eu), refused)
  assert.throws(() => new WorkerPool([], { concurrency: 0 }), /pool\.concurrency is 0/)
  assert.throws(() => new WorkerPool([], { ...{ concurency: 1 }, concurrency: 2 }), /did you mean "concurrency"/)
  assert.throws(() => new WorkerPool([eu], { worker: { batchSize: 0 } }), /worker\.batchSize is 0/)
})

describe('a pool on PostgreSQL and SQLite', { skip: skipWithout('postgres') }, () => {
  test('serves schemas of one database and a file, each by its own lanes', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    backend.behaviour = ({ source, data }) =>
      source.startsWith('/one') && data === 1 ? notDelivered(new PermanentError('never')) : delivered
    const [first, second] = await schemas(t, 2)
    const one = await tenants.open('one', { main: backend }, first)
    const two = await tenants.open('two', { main: backend }, second)
    const file = await tenants.open('file', { main: backend })
    for (const broadcaster of [one, two, file]) await publish(broadcaster, 5, 'same')
    await using pool = new WorkerPool([one, two, file], { worker: { name: 'pooled' } })
    await pool.start()
    assert.deepEqual(
      pool.status().map(({ state }) => state),
      ['running', 'running', 'running'],
    )
    await tenants.until(() => tenants.published(two) === 5 && tenants.published(file) === 5)
    // The key of one blocks there, and there only.
    await tenants.until(() => tenants.heard('event.blocked', one).length === 4)
    assert.equal(tenants.published(one), 0)
    for (const broadcaster of [one, two, file]) assert.deepEqual(await owners(broadcaster), [['pooled', 8]])
    await pool.stop()
    for (const broadcaster of [one, two, file]) assert.deepEqual(await owners(broadcaster), [])
  })

  test('many schemas on a small pool of connections: all are served, and woken by commits', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    const stores = await schemas(t, 12)
    const all = await Promise.all(stores.map((store, n) => tenants.open(`t${n}`, { main: backend }, store)))
    // Nothing but a commit wakes them.
    await using pool = new WorkerPool(all, { worker: { pollInterval: 60_000 } })
    await pool.start()
    const round = async (count: number): Promise<void> => {
      for (const broadcaster of all) await publish(broadcaster, 1)
      await tenants.until(() => all.every((broadcaster) => tenants.published(broadcaster) === count))
    }
    await round(1)
    await round(2)
  })

  test('a database that is away delays nobody, and is taken up again', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    const { proxy, store } = await behindProxy(t)
    const shaky = await tenants.open('shaky', { main: backend }, store, { lease: 1_000 })
    const steady = await tenants.open('steady', { main: backend })
    await using pool = new WorkerPool([shaky, steady], { restartInterval: 300 })

    // Away from the start.
    await proxy.stop()
    await pool.start()
    assert.deepEqual(
      pool.status().map(({ name, state }) => [name.slice(0, 6), state]),
      [
        ['shaky-', 'down'],
        ['steady', 'running'],
      ],
    )
    assert.equal(tenants.heard('store.down', shaky).length, 1)
    await publish(steady, 3)
    await tenants.until(() => tenants.published(steady) === 3)
    await proxy.start()
    await tenants.until(() => tenants.heard('store.up', shaky).length === 1)
    await publish(shaky, 2)
    await tenants.until(() => tenants.published(shaky) === 2)

    // Away in the middle of the work.
    await proxy.stop()
    await tenants.until(() => tenants.heard('store.down', shaky).length === 2)
    assert.deepEqual(
      pool.status().map(({ state, error }) => [state, error instanceof Error]),
      [
        ['down', true],
        ['running', false],
      ],
    )
    await publish(steady, 3)
    await tenants.until(() => tenants.published(steady) === 6)
    await proxy.start()
    await tenants.until(() => tenants.heard('store.up', shaky).length === 2)
    await publish(shaky, 2)
    await tenants.until(() => tenants.published(shaky) === 4)
    assert.deepEqual(tenants.heard('store.down', steady), [])
    assert.deepEqual(tenants.heard('worker.error', steady), [])
  })

  test('a worker stops and says so, though its database answers no more', { timeout: 60_000 }, async (t) => {
    const tenants = new Tenants(t)
    const { proxy, store } = await behindProxy(t)
    const mute = await tenants.open('mute', { main: recordingBackend() }, store, { lease: 1_000, sendTimeout: 500 })
    const worker = mute.worker()
    await worker.start()
    proxy.silence('both')
    await worker.stop()
    const said = tenants.heard('worker.error', mute).at(-1)?.error
    assert.ok(said instanceof BroadcasterError && said.code === 'CLOSE_TIMEOUT', String(said))
    assert.match(said.message, /free when the lease of 1000 ms ends/)
    // What waits for an answer would keep this file from ending.
    await proxy.stop()
  })

  test('a database that does not answer holds up neither the start of others nor the stop', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    const { port, pathname, username } = new URL(url)
    const proxy = await StoppableProxy.to(Number(port || 5432))
    t.after(() => proxy.stop())
    proxy.silence('both')
    const connectionString = `postgres://${username}@127.0.0.1:${proxy.port}${pathname}`
    const dumb = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        tenants.open(`dumb${n}`, { main: backend }, postgres({ url: connectionString }) as Store),
      ),
    )
    const steady = await tenants.open('steady', { main: backend })
    await publish(steady, 3)
    const pool = new WorkerPool([...dumb, steady])
    const starting = pool.start()
    await tenants.until(() => tenants.published(steady) === 3)
    assert.ok(pool.status().every(({ name, state }) => state === (name.startsWith('steady') ? 'running' : 'starting')))
    await pool.stop()
    await starting
    // What waits for an answer would keep this file from ending.
    await proxy.stop()
  })
})

test('a file that is not there yet is taken up when it is', async (t) => {
  const tenants = new Tenants(t)
  const folder = join(tenants.folder, 'later')
  const path = join(folder, 'outbox.db')
  const backend = recordingBackend()
  const late = await tenants.open('late', { main: backend }, sqlite({ path }) as Store)
  await using pool = new WorkerPool([late], { restartInterval: 100 })
  await pool.start()
  assert.equal(pool.status()[0]?.state, 'down')
  mkdirSync(folder)
  // The file is there, but no outbox in it.
  await tenants.until(() =>
    tenants
      .heard('worker.error', late)
      .some(({ error }) => error instanceof BroadcasterError && error.code === 'SCHEMA_MISSING'),
  )
  const migration = sqlite({ path })
  await migration.schema.migrate()
  await migration.close()
  await tenants.until(() => tenants.heard('store.up', late).length === 1)
  await publish(late, 1)
  await tenants.until(() => tenants.published(late) === 1)
  assert.equal(tenants.heard('store.down', late).length, 1)
})

/** A backend whose sends end when the test says so. */
function steppedBackend(t: Pick<TestContext, 'after'>) {
  const flying: { readonly source: string; readonly events: number; readonly answer: () => void }[] = []
  const log: { readonly source: string; readonly events: number }[] = []
  let onSend: () => void = () => undefined
  let most = 0
  let stepped = true
  /** From now on every send is answered at once. */
  const answerAll = (): void => {
    stepped = false
    for (const { answer } of flying.splice(0)) answer()
  }
  // A test that fails must not keep its workers waiting.
  t.after(answerAll)
  const backend: Backend = {
    capabilities: { ordersWithinSend: true },
    async send(events) {
      const source = events[0]?.source.replace(/^\/(\w+)-.*/, '$1') ?? ''
      const answered = Promise.withResolvers<void>()
      if (stepped) flying.push({ source, events: events.length, answer: answered.resolve })
      log.push({ source, events: events.length })
      most = Math.max(most, flying.length)
      onSend()
      if (stepped) await answered.promise
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => undefined,
  }
  return {
    backend,
    log,
    get most() {
      return most
    },
    answer: () => flying.shift()?.answer(),
    answerAll,
    /** Resolves when so many sends are in flight. */
    async inFlight(count: number) {
      while (flying.length < count) await new Promise<void>((resolve) => (onSend = resolve))
    },
  }
}

describe('fair shares', () => {
  test("with a backlog of others, one's single event is in the next send but those in flight", async (t) => {
    const { backend, log, answer, answerAll, inFlight } = steppedBackend(t)
    const tenants = new Tenants(t)
    const big = await tenants.open('big', { main: backend })
    const large = await tenants.open('large', { main: backend })
    const small = await tenants.open('small', { main: backend })
    for (const broadcaster of [big, large]) await publish(broadcaster, 5_000)
    // All of the backlogs in memory, so that both wait for a slot whenever there is none.
    const worker = { batchSize: 10, concurrency: 4, maxInHand: 5_000, sendTimeout: 60_000, lease: 120_000 }
    const pool = new WorkerPool([big, large, small], { backendConcurrency: 4, worker })
    await pool.start()
    await inFlight(4)
    for (let n = 0; n < 50; n++) {
      answer()
      await inFlight(4)
    }
    assert.deepEqual([...new Set(log.map(({ source }) => source))].toSorted(), ['big', 'large'])
    await publish(small, 1)
    await readOne(small)
    const before = log.length
    answer()
    await inFlight(4)
    assert.deepEqual(log.slice(before), [{ source: 'small', events: 1 }])
    answerAll()
    await pool.stop()
  })

  test('while they all have a backlog each is served the same number of events, whatever its batches', async (t) => {
    const { backend, log, answer, answerAll, inFlight } = steppedBackend(t)
    const tenants = new Tenants(t)
    const sizes = { big: 25, mid: 10, small: 3 }
    const all = await Promise.all(
      Object.entries(sizes).map(([name, batchSize]) =>
        tenants.open(name, { main: backend }, undefined, { batchSize, maxInHand: 2_000 }),
      ),
    )
    for (const broadcaster of all) await publish(broadcaster, 2_000)
    const pool = new WorkerPool(all, { concurrency: 1, worker: { sendTimeout: 60_000, lease: 120_000 } })
    await pool.start()
    const counts = { big: 0, mid: 0, small: 0 }
    for (let n = 0; n < 200; n++) {
      await inFlight(1)
      // From where all three are read.
      if (log.some(({ source }) => source === 'mid') && log.some(({ source }) => source === 'small')) {
        const { source, events } = log.at(-1) ?? { source: '', events: 0 }
        counts[source as keyof typeof counts] += events
      }
      answer()
    }
    answerAll()
    await pool.stop()
    const served = Object.values(counts)
    t.diagnostic(JSON.stringify(counts))
    assert.ok(Math.min(...served) > 200, JSON.stringify(counts))
    assert.ok(Math.max(...served) - Math.min(...served) <= 50, JSON.stringify(counts))
  })

  test('sends in flight are bounded at a backend, and in all', async (t) => {
    const shared = steppedBackend(t)
    const own = steppedBackend(t)
    const tenants = new Tenants(t)
    const all = await Promise.all(
      Array.from({ length: 4 }, (_, n) => tenants.open(`t${n}`, { main: shared.backend, own: own.backend })),
    )
    for (const broadcaster of all) {
      await publish(broadcaster, 40)
      const events = Array.from({ length: 40 }, () => ({ type: 'x', source: '/s' }))
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events, { backend: 'own' }))
    }
    const worker = { batchSize: 1, concurrency: 4, sendTimeout: 60_000, lease: 120_000 }
    const limits = { concurrency: 9, backendConcurrency: 6 }
    const pool = new WorkerPool(all, { ...limits, worker })
    await pool.start()
    let left = 320
    while (left > 0) {
      const before = shared.log.length + own.log.length
      shared.answer()
      own.answer()
      await new Promise((resolve) => setTimeout(resolve, 1))
      assert.ok(pool.sending <= 9)
      left = 320 - all.reduce((sum, broadcaster) => sum + tenants.published(broadcaster), 0)
      if (shared.log.length + own.log.length === before && left > 0) await new Promise((r) => setTimeout(r, 5))
    }
    assert.equal(shared.most, 6)
    assert.ok(own.most > 0 && own.most <= 6)
    await pool.stop()
    assert.equal(pool.sending, 0)
  })

  test('without a pool their sends are not bounded together', async (t) => {
    const { backend, answerAll, inFlight } = steppedBackend(t)
    const tenants = new Tenants(t)
    const all = await Promise.all(Array.from({ length: 3 }, (_, n) => tenants.open(`t${n}`, { main: backend })))
    for (const broadcaster of all) await publish(broadcaster, 40)
    const workers = all.map((broadcaster) => broadcaster.worker({ batchSize: 1, concurrency: 4, sendTimeout: 60_000 }))
    await Promise.all(workers.map((worker) => worker.start()))
    await inFlight(12)
    answerAll()
    await Promise.all(workers.map((worker) => worker.stop()))
  })

  test('what one store does not answer keeps no suspect of another waiting, and no slot', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    const stuck = Promise.withResolvers<void>()
    const suspicious = (store: Store, before: () => Promise<void>): Store => ({
      ...store,
      relay: {
        ...store.relay,
        // As after the death of a worker in the middle of these sends: each goes alone, with its attempt counted first.
        fetch: async (...asked) =>
          (await store.relay.fetch(...asked)).map((row) => ({ ...row, status: 'processing' as const })),
        async settle(ownership, outcomes) {
          if (outcomes.some(({ kind }) => kind === 'sending')) await before()
          return store.relay.settle(ownership, outcomes)
        },
      },
    })
    const one = suspicious(memoryStore({ lanes: 1 }) as Store, () => stuck.promise)
    const silent = await tenants.open('silent', { main: backend }, one)
    const other = suspicious(memoryStore({ lanes: 1 }) as Store, async () => undefined)
    const steady = await tenants.open('steady', { main: backend }, other)
    await using pool = new WorkerPool([silent, steady], { concurrency: 1 })
    await publish(silent, 3)
    await pool.start()
    await tenants.until(() => tenants.heard('lane.gained', silent).length === 1)
    await publish(steady, 3)
    await tenants.until(() => tenants.published(steady) === 3)
    assert.equal(tenants.published(silent), 0)
    stuck.resolve()
    await tenants.until(() => tenants.published(silent) === 3)
  })

  test('an outage of a shared backend opens the breaker of each outbox, and all recover', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend(() => notDelivered(new OutageError('nobody there')))
    const all = await Promise.all(Array.from({ length: 3 }, (_, n) => tenants.open(`t${n}`, { main: backend })))
    await using pool = new WorkerPool(all, { concurrency: 1 })
    await pool.start()
    for (const broadcaster of all) await publish(broadcaster, 5)
    await tenants.until(() => all.every((broadcaster) => tenants.heard('backend.down', broadcaster).length === 1))
    backend.behaviour = () => delivered
    await tenants.until(() => all.every((broadcaster) => tenants.published(broadcaster) === 5))
    assert.ok(all.every((broadcaster) => tenants.heard('event.retried', broadcaster).length === 0))
  })
})

/** Resolves when the worker of this outbox has read an event, and waits for its turn. */
async function readOne({ store, name }: Broadcaster): Promise<void> {
  const relay = store.relay as { fetch: Store['relay']['fetch'] }
  const { fetch } = relay
  const read = Promise.withResolvers<void>()
  relay.fetch = async (...asked) => {
    const rows = await fetch(...asked)
    if (rows.length > 0) setImmediate(read.resolve)
    return rows
  }
  const timer = setTimeout(() => read.reject(new Error(`${name} never read its event`)), 10_000)
  await read.promise
  clearTimeout(timer)
  relay.fetch = fetch
}

describe('while it runs', () => {
  test('outboxes come and go, and come back', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    const one = await tenants.open('one', { main: backend })
    const two = await tenants.open('two', { main: backend })
    await using pool = new WorkerPool([one])
    await pool.start()
    await publish(two, 2)
    await pool.add(two)
    await tenants.until(() => tenants.published(two) === 2)
    assert.equal(await pool.remove(two.name), true)
    assert.equal(await pool.remove(two), false)
    assert.deepEqual(await owners(two), [])
    await publish(two, 1)
    await publish(one, 1)
    await tenants.until(() => tenants.published(one) === 1)
    assert.deepEqual(
      pool.status().map(({ name }) => name),
      [one.name],
    )
    assert.equal(await two.events.filter({ status: 'pending' }).count(), 1)
    await pool.add(two)
    await tenants.until(() => tenants.published(two) === 3)
    assert.deepEqual([...new Set(sourcesOf(backend))].toSorted(), ['one', 'two'])
  })

  test('start and stop in any order, stop during the start, and a second start', async (t) => {
    const tenants = new Tenants(t)
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, n) => tenants.open(`t${n}`, { main: recordingBackend() }, memoryStore() as Store)),
    )
    const pool = new WorkerPool(all)
    await pool.stop()
    const starting = pool.start()
    await pool.stop()
    await starting
    assert.deepEqual([...new Set(pool.status().map(({ state }) => state))], ['stopped'])
    for (const broadcaster of all) assert.deepEqual(await owners(broadcaster), [])
    await Promise.all([pool.start(), pool.start()])
    for (const broadcaster of all) assert.equal((await owners(broadcaster)).length, 1)
    await Promise.all([pool.stop(), pool.stop()])
    await Promise.all([pool.stop(), pool.start()])
    assert.deepEqual([...new Set(pool.status().map(({ state }) => state))], ['running'])
    for (const broadcaster of all) await publish(broadcaster, 1)
    await tenants.until(() => all.every((broadcaster) => tenants.published(broadcaster) === 1))
    await pool.stop()
    for (const broadcaster of all) assert.deepEqual(await owners(broadcaster), [])
  })

  test('a start, a stop in the middle of it, and a start again: it runs', async (t) => {
    const tenants = new Tenants(t)
    const store = memoryStore() as Store
    const asked = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    const slow: Store = {
      ...store,
      schema: {
        ...store.schema,
        async check() {
          asked.resolve()
          await answered.promise
          return store.schema.check()
        },
      },
    }
    const one = await tenants.open('one', { main: recordingBackend() }, slow)
    await using pool = new WorkerPool([one])
    const first = pool.start()
    await asked.promise
    const stopping = pool.stop()
    const second = pool.start()
    answered.resolve()
    await Promise.all([first, stopping, second])
    assert.deepEqual((await owners(one)).length, 1)
    await publish(one, 1)
    await tenants.until(() => tenants.published(one) === 1)
  })

  test('nothing is left behind by a hundred outboxes that came and went', async (t) => {
    const tenants = new Tenants(t)
    const backend = recordingBackend()
    await using pool = new WorkerPool()
    await pool.start()
    const left: number[] = []
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, n) => tenants.open(`r${round}t${n}`, { main: backend }, memoryStore() as Store)),
      )
      await Promise.all(all.map((broadcaster) => pool.add(broadcaster)))
      for (const broadcaster of all) await publish(broadcaster, 1)
      await tenants.until(() => all.every((broadcaster) => tenants.published(broadcaster) === 1))
      await Promise.all(all.map((broadcaster) => pool.remove(broadcaster)))
      left.push(process.getActiveResourcesInfo().length)
    }
    assert.equal(pool.sending, 0)
    assert.ok((left.at(-1) ?? 0) <= (left[0] ?? 0) + 2, left.join(', '))
  })
})

test('an idle outbox is looked at every idleInterval when a commit would wake it; otherwise as often as ever', async (t) => {
  const tenants = new Tenants(t)
  let fetches = 0
  let onFetch: () => void = () => undefined
  const store = sqlite({ path: join(tenants.folder, 'counted.db') }) as Store
  await store.schema.migrate({ lanes: 4 })
  const counted: Store = {
    ...store,
    relay: {
      ...store.relay,
      fetch(...asked) {
        fetches++
        onFetch()
        return store.relay.fetch(...asked)
      },
    },
  }
  const quiet = await tenants.open('quiet', { main: recordingBackend() }, counted, { pollInterval: 10 })
  /** Resolves when there were five looks more. */
  const looks = () =>
    new Promise<void>((resolve) => {
      const enough = fetches + 5
      onFetch = () => {
        if (fetches >= enough) resolve()
      }
    })
  await using often = new WorkerPool([quiet], { worker: { idleInterval: 10 } })
  await often.start()
  await looks()
  await looks()
  await often.stop()

  const later = await tenants.open('later', { main: recordingBackend() }, counted, { pollInterval: 10 })
  await using seldom = new WorkerPool([later], { worker: { idleInterval: 600_000 } })
  await seldom.start()
  // The looks after activity. From there each pause is twice as long as the one before.
  await looks()
  const before = fetches
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  // Polls would be about a hundred. One look may be two reads: of what was announced, and a sweep.
  assert.ok(fetches - before <= 20, `${fetches - before} looks in a second`)
  await publish(later, 1)
  await tenants.until(() => tenants.published(later) === 1)
})

test('one pass over all, for cron: what is due everywhere, and an error when all have been seen to', async (t) => {
  const tenants = new Tenants(t)
  const backend = recordingBackend()
  const one = await tenants.open('one', { main: backend })
  const lost = await tenants.open(
    'lost',
    { main: backend },
    sqlite({ path: join(tenants.folder, 'no/file.db') }) as Store,
  )
  const two = await tenants.open('two', { main: backend })
  for (const broadcaster of [one, two]) await publish(broadcaster, 3)
  await assert.rejects(new WorkerPool([one, lost, two]).drain())
  assert.equal(backend.received.length, 6)
  await publish(one, 3)
  assert.equal(await new WorkerPool([one, two]).drain(2), 2)
})

describe('a backend or store that several Broadcasters have', () => {
  test('is closed once, by the last of them', async (t) => {
    const tenants = new Tenants(t)
    let closed = 0
    const counted = (): Backend => ({ ...recordingBackend(), close: async () => void closed++ })
    const shared = counted()
    const store = memoryStore() as Store
    let storeClosed = 0
    const counting: Store = { ...store, close: async () => void storeClosed++ }
    const one = await tenants.open('one', { main: shared, again: shared }, counting)
    const two = await tenants.open('two', { main: shared }, counting)
    await one.close()
    await one.close()
    assert.deepEqual([closed, storeClosed], [0, 0])
    await two.close()
    assert.deepEqual([closed, storeClosed], [1, 1])
    // One that nobody else has is closed with its Broadcaster.
    const alone = await tenants.open('alone', { main: counted() }, memoryStore() as Store)
    alone.registerBackend('more', counted())
    await alone.close()
    assert.equal(closed, 3)
  })
})
