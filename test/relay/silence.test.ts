import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { patientRelay } from '../../src/relay/patient-store.ts'
import { Waker } from '../../src/relay/waker.ts'
import { Worker } from '../../src/relay/worker.ts'
import type { WorkerOptions } from '../../src/relay/worker-options.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { SignalSource } from '../../src/telemetry/signals.ts'
import { QUICK, TestOutbox } from './outbox.ts'

/** A database whose connections die silently: what is asked while `silent` is never answered. */
function silenceable() {
  const store = memoryStore({ lanes: 2 })
  const line = { silent: false }
  const muted = <T extends object>(part: T): void => {
    for (const [name, work] of Object.entries(part)) {
      if (typeof work !== 'function') continue
      const mute = (...given: unknown[]) => (line.silent ? new Promise(() => undefined) : work.apply(part, given))
      Object.assign(part, { [name]: mute })
    }
  }
  muted(store.coordination)
  muted(store.relay)
  return { store, line }
}

function impatientWorker(outbox: TestOutbox, store: Store, options: WorkerOptions = {}): Worker {
  const { broadcaster, backend } = outbox
  const signals = new SignalSource(broadcaster.name)
  const backends = new Map([['main', backend]])
  const parts = { store, backends, defaultBackend: 'main', records: broadcaster.events, signals, statementTime: 1 }
  return new Worker(parts, { ...QUICK, lease: 1_000, failFast: true, ...options })
}

test('a database that falls silent is told of, its lanes are given up, and work goes on when it answers again', async () => {
  const { store, line } = silenceable()
  await using outbox = new TestOutbox({}, store)
  await using worker = impatientWorker(outbox, store)
  await worker.start()
  await outbox.publish(['a', 'b'])
  await outbox.until(() => outbox.heard('event.published').length === 2)
  line.silent = true
  await outbox.until(() => outbox.heard('store.down').length === 1)
  const [down] = outbox.heard('store.down')
  assert.ok(down?.error instanceof BroadcasterError && down.error.code === 'STORE_UNAVAILABLE')
  assert.ok(outbox.heard('worker.error').length > 0)
  const lost = outbox.heard('lane.lost').filter(({ reason }) => reason === 'lease-ended')
  assert.deepEqual(lost.flatMap(({ lanes }) => lanes).sort(), [0, 1])
  line.silent = false
  await outbox.publish(['a', 'b'])
  await outbox.until(() => outbox.heard('event.published').length === 4)
  await outbox.until(() => outbox.heard('store.up').length === 1)
  assert.equal(outbox.backend.received.length, 4)
})

test('a worker whose database is silent stops, and one that never answered does not start', async () => {
  const { store, line } = silenceable()
  await using outbox = new TestOutbox({}, store)
  const worker = impatientWorker(outbox, store)
  await worker.start()
  line.silent = true
  await worker.stop()
  await assert.rejects(worker.start(), { code: 'STORE_UNAVAILABLE' })
  line.silent = false
  await worker.start()
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('event.published').length === 1)
  await worker.stop()
})

test('a heartbeat that is answered after its lanes were given up changes nothing', async () => {
  const { store } = silenceable()
  const { renew } = store.coordination
  const answer = Promise.withResolvers<boolean>()
  let asked = 0
  store.coordination.renew = (id, lease) => (++asked === 1 ? answer.promise : renew(id, lease))
  await using outbox = new TestOutbox({}, store)
  await using worker = impatientWorker(outbox, store)
  await worker.start()
  await outbox.until(() => outbox.heard('store.up').length === 1)
  answer.resolve(true)
  await outbox.publish(['a', 'b'])
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.equal(outbox.heard('store.down').length, 1)
})

test('a statement ends with an error when no answer comes; a transaction in which a handler works is not cut', async () => {
  const store = memoryStore({ lanes: 1 })
  const never = (): Promise<never> => new Promise(() => undefined)
  const relay = patientRelay(store.relay, 5)
  for (const name of ['fetch', 'unpark', 'settle', 'reconcile'] as const) store.relay[name] = never
  const working = Promise.withResolvers<never>()
  store.relay.settleInTransaction = () => working.promise
  const ownership = { workerId: 'x', fences: new Map(), backend: 'main' }
  const transaction = relay.settleInTransaction(ownership, async () => undefined)
  await assert.rejects(relay.fetch(['main'], []), { code: 'STORE_UNAVAILABLE' })
  await assert.rejects(relay.unpark(['main'], [], 1), { code: 'STORE_UNAVAILABLE' })
  await assert.rejects(relay.reconcile(['main'], []), { code: 'STORE_UNAVAILABLE' })
  await assert.rejects(relay.settle(ownership, []), { code: 'STORE_UNAVAILABLE' })
  working.reject(new Error('the answer of the transaction itself'))
  await assert.rejects(transaction, /the transaction itself/)
})

test('a silent wake-up connection counts as lost: who waits goes on by polling, and close ends', async () => {
  const never = (): Promise<never> => new Promise(() => undefined)
  const listener = { arm: never, disarm: never, close: never }
  const errors: unknown[] = []
  const codes = () => errors.map((error) => error instanceof BroadcasterError && error.code)
  const waker = new Waker({ listen: async () => listener }, (error) => errors.push(error), 5)
  const sleeper = { wake: () => undefined }
  waker.add(sleeper)
  await waker.start()
  assert.equal(await waker.rest(sleeper), 'poll')
  assert.deepEqual(codes(), ['STORE_UNAVAILABLE'])
  await waker.start()
  await waker.close()
  assert.deepEqual(codes(), ['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'])
})

for (const what of ['retention.walk', 'retention.remove', 'inbox.prune'] as const) {
  test(`retention goes on after a statement that never ended: ${what}`, async () => {
    const store = memoryStore({ lanes: 2 })
    await using outbox = new TestOutbox({}, store)
    let asked = 0
    const hangsOnce = <Given, Answer>(work: (given: Given) => Promise<Answer>) => ({
      work: (given: Given): Promise<Answer> => (++asked === 1 ? new Promise(() => undefined) : work(given)),
    })
    const { walk, remove } = store.retention
    if (what === 'retention.walk') Object.assign(store.retention, { walk: hangsOnce(walk).work })
    else if (what === 'retention.remove') Object.assign(store.retention, { remove: hangsOnce(remove).work })
    else Object.assign(store.inbox, { prune: hangsOnce(store.inbox.prune).work })
    await using worker = impatientWorker(outbox, store, { lease: 100, retention: { published: 0, interval: 10 } })
    // Nothing is removed unless something is there.
    if (what === 'retention.remove') await outbox.publish(['b'])
    await worker.start()
    await outbox.until(() => asked >= 1 && outbox.heard('worker.error').length > 0)
    await outbox.publish(['a'])
    await outbox.until(() => outbox.heard('events.purged').length > 0 && asked > 1)
  })
}
