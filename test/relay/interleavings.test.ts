import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { PermanentError } from '../../src/backend/send-error.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { dataOf, recordingBackend, TestOutbox } from './outbox.ts'

const gate = () => Promise.withResolvers<void>()

/** A worker that only the store knows of, and that sorts before the only other one when `first`. */
async function otherWorker(store: Store, first = false): Promise<string> {
  for (;;) {
    const id = await store.coordination.enter({ name: 'other', backends: ['main'], lease: 60_000 })
    const [one] = (await store.coordination.survey(['main'])).workers.map((worker) => worker.id).sort()
    if (!first || one === id) return id
    await store.coordination.leave(id)
  }
}

test('a lane that is given back while an operator asked for attention there is not read any more', async () => {
  const store = memoryStore({ lanes: 1 })
  await using outbox = new TestOutbox({}, store)
  const [held, started] = [gate(), gate()]
  outbox.backend.behaviour = async () => {
    started.resolve()
    await held.promise
    return delivered
  }
  await outbox.publish(['a'])
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await started.promise
  // The owner would reconcile, and then is asked to give the lane up; both wait for the event in flight.
  const [later] = await outbox.publish(['a'], { delay: 100_000 })
  await outbox.broadcaster.events.cancel(later?.id ?? '')
  const { survey } = store.coordination
  const surveyed = async (): Promise<void> => {
    const done = gate()
    let left = 2
    store.coordination.survey = async (backends) => {
      if (--left === 0) done.resolve()
      return survey(backends)
    }
    await done.promise
    store.coordination.survey = survey
  }
  await surveyed()
  await otherWorker(store, true)
  await surveyed()
  held.resolve()
  await outbox.until(() => outbox.heard('lane.lost').length === 1)
  let reads = 0
  const { fetch } = store.relay
  store.relay.fetch = (names, lanes) => {
    reads += lanes.length
    return fetch(names, lanes)
  }
  await outbox.publish(['a'])
  await surveyed()
  assert.equal(reads, 0)
  assert.equal(outbox.backend.received.length, 1)
})

test('lanes whose claim was answered by an error are read by the worker that owns them', async () => {
  const store = memoryStore({ lanes: 4 })
  await using outbox = new TestOutbox({}, store)
  const other = await otherWorker(store)
  const { claim } = store.coordination
  await claim(other, (await store.coordination.survey(['main'])).lanes.slice(0, 2))
  let claims = 0
  store.coordination.claim = async (workerId, lanes) => {
    const taken = await claim(workerId, lanes)
    if (++claims === 2) throw new Error('the answer was lost')
    return taken
  }
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await store.coordination.leave(other)
  await outbox.publish(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  await outbox.until(() => outbox.heard('event.published').length === 8)
  assert.ok(claims >= 2)
})

test('lanes that could not be given back, and then need not be, are read again', async () => {
  const store = memoryStore({ lanes: 4 })
  await using outbox = new TestOutbox({}, store)
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  const other = await otherWorker(store)
  const { release, leave } = store.coordination
  store.coordination.release = async () => {
    store.coordination.release = release
    await leave(other)
    throw new Error('hiccup')
  }
  await outbox.until(() => outbox.heard('worker.error').length === 1)
  await outbox.publish(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  await outbox.until(() => outbox.heard('event.published').length === 8)
})

test('a lane opened while others are read is not read before its due events are back', async () => {
  const store = memoryStore({ lanes: 2 })
  await using outbox = new TestOutbox({}, store)
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  const parked = await outbox.publish(keys, { delay: 30 })
  await outbox.publish(keys)
  await pause(40)
  const other = await otherWorker(store)
  await store.coordination.claim(other, (await store.coordination.survey(['main'])).lanes.slice(0, 1))
  const [asked, opened] = [gate(), gate()]
  const { unpark, reconcile } = store.relay
  let unparks = 0
  store.relay.unpark = async (...given) => {
    const report = await unpark(...given)
    if (++unparks === 3) {
      asked.resolve()
      await opened.promise
    }
    return report
  }
  store.relay.reconcile = async (...given) => {
    const heads = await reconcile(...given)
    if (unparks >= 3) setTimeout(() => opened.resolve(), 5)
    return heads
  }
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await asked.promise
  await store.coordination.leave(other)
  await outbox.until(() => outbox.heard('event.published').length === 12)
  for (const key of keys) {
    const [first] = outbox.backend.received.filter((event) => event.partitionKey === key)
    assert.ok(
      parked.some((event) => event.id === first?.id),
      `the later event of '${key}' went first`,
    )
  }
})

for (const slow of [60, 250]) {
  test(`events that were parked in ${slow} ms behind a retry of 150 ms keep their place`, async () => {
    const store = memoryStore({ lanes: 1 })
    await using outbox = new TestOutbox({}, store)
    const { broadcaster, backend } = outbox
    const { settle } = store.relay
    store.relay.settle = async (ownership, outcomes) => {
      if (outcomes.some((outcome) => outcome.kind === 'park')) {
        store.relay.settle = settle
        await pause(slow)
      }
      return settle(ownership, outcomes)
    }
    let failed = false
    backend.behaviour = () => {
      if (failed) return delivered
      failed = true
      return notDelivered(new Error('once'))
    }
    let count = 0
    const publish = () =>
      broadcaster.transaction((tx) =>
        broadcaster.publish(tx, { type: 'counted', source: '/test', data: ++count, partitionKey: 'a' }),
      )
    await publish()
    await broadcaster.worker({ retry: { base: 150, jitter: 'none' }, pollInterval: 10 }).start()
    await outbox.until(() => outbox.heard('event.retried').length === 1)
    // A stream of events of the key, from before its head is due until after.
    while (backend.received.length === 0) {
      await publish()
      await pause(1)
    }
    await publish()
    await outbox.until(() => outbox.heard('event.published').length === count)
    assert.deepEqual(
      dataOf(backend.received),
      Array.from({ length: count }, (_, n) => n + 1),
    )
  })
}

test('a key is free when the failure of its head was not recorded, since somebody else settled it', async () => {
  const store = memoryStore({ lanes: 1 })
  await using outbox = new TestOutbox({}, store)
  outbox.backend.behaviour = (event) => (event.data === 1 ? notDelivered(new PermanentError('no')) : delivered)
  const { settle } = store.relay
  store.relay.settle = async (ownership, outcomes) => {
    for (const { kind, id, lane } of outcomes) {
      if (kind === 'failed') await settle(ownership, [{ kind: 'published', generation: 0, id, lane }])
    }
    return settle(ownership, outcomes)
  }
  await outbox.publish(['a', 'a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.deepEqual(dataOf(outbox.backend.received), [2])
})

test('a drain of which one backend fails gives no lane back while another still sends', async () => {
  const store = memoryStore({ lanes: 1 })
  const slow = recordingBackend()
  await using outbox = new TestOutbox({ slow }, store)
  const [started, held, failed] = [gate(), gate(), gate()]
  const { fetch } = store.relay
  store.relay.fetch = async (names, lanes) => {
    if (names.includes('slow')) return fetch(names, lanes)
    await started.promise
    failed.resolve()
    throw new Error('no such luck')
  }
  slow.behaviour = async () => {
    started.resolve()
    await held.promise
    return delivered
  }
  await outbox.publish(['a'], { backend: 'slow' })
  const draining = assert.rejects(outbox.broadcaster.processPendingEvents(), /no such luck/)
  await failed.promise
  await pause(50)
  assert.notEqual((await store.coordination.survey(['slow'])).lanes[0]?.owner, null)
  held.resolve()
  await draining
  assert.equal((await store.coordination.survey(['slow'])).lanes[0]?.owner, null)
})
