import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { dataOf, TestOutbox } from './outbox.ts'

/** A worker that took every lane and died: it is in the store, and says nothing any more. */
async function deadWorker(store: Store, lease = 60) {
  const { coordination, relay } = store
  const workerId = await coordination.enter({ name: 'dead', backends: ['main'], lease: 60_000 })
  const lanes = await coordination.claim(workerId, (await coordination.survey(['main'])).lanes)
  await coordination.renew(workerId, lease)
  const fences = new Map(lanes.map(({ lane, fence }) => [lane, fence]))
  return { relay, ownership: { workerId, fences, backend: 'main' } }
}

test('the lanes of a dead worker move on when its lease ends, not before', async () => {
  const store = memoryStore({ lanes: 4 })
  await using outbox = new TestOutbox({}, store)
  const start = performance.now()
  await deadWorker(store, 300)
  await outbox.publish(['a', 'b', null])
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await outbox.until(() => outbox.heard('event.published').length === 3)
  assert.ok(performance.now() - start >= 295, 'a lane was taken while its owner held the lease')
})

test('after an unclean end events are marked before they are sent, and published as ever', async () => {
  const store = memoryStore({ lanes: 2 })
  await using outbox = new TestOutbox({}, store)
  await deadWorker(store)
  const states: string[] = []
  outbox.backend.behaviour = async (event) => {
    states.push((await outbox.broadcaster.events.get({ id: event.id })).status)
    return delivered
  }
  await outbox.publish(['a', 'a', 'b'])
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await outbox.until(() => outbox.heard('event.published').length === 3)
  assert.deepEqual(states, ['processing', 'processing', 'processing'])
  assert.equal(await outbox.broadcaster.events.filter({ retryCount: { gt: 0 } }).count(), 0)
})

test('an event that kills its worker again and again runs out of retries, its neighbours do not', async () => {
  const store = memoryStore({ lanes: 1 })
  await using outbox = new TestOutbox({}, store)
  const [poison, neighbour] = await outbox.publish([null, null], { maxRetries: 1 })
  const { relay, ownership } = await deadWorker(store)
  // The first death happened in a marked batch: both are suspects. The second and third while `poison` was alone.
  await relay.settle(ownership, [
    { kind: 'sending', generation: 0, id: poison?.id ?? '', lane: 0, retryCount: 2 },
    { kind: 'sending', generation: 0, id: neighbour?.id ?? '', lane: 0, retryCount: 0 },
  ])
  const sizes: number[] = []
  const { send } = outbox.backend
  outbox.backend.send = (events, signal) => {
    sizes.push(events.length)
    return send(events, signal)
  }
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await outbox.until(() => outbox.heard('event.failed').length === 1 && outbox.heard('event.published').length === 1)
  assert.deepEqual(sizes, [1], 'suspects go one at a time, and the poison does not go at all')
  const failed = await outbox.broadcaster.events.get({ id: poison?.id ?? '' })
  assert.equal(failed.status, 'failed')
  assert.match(failed.lastError, /worker died/)
})

test('an event interrupted by a dead worker has its attempt counted, and goes on', async () => {
  const store = memoryStore({ lanes: 1 })
  await using outbox = new TestOutbox({}, store)
  const [event] = await outbox.publish(['a', 'a'])
  const { relay, ownership } = await deadWorker(store)
  await relay.settle(ownership, [{ kind: 'sending', generation: 0, id: event?.id ?? '', lane: 0, retryCount: 0 }])
  const counts: number[] = []
  outbox.backend.behaviour = async ({ id }) => {
    counts.push((await outbox.broadcaster.events.get({ id })).retryCount)
    return delivered
  }
  await outbox.broadcaster.worker({ lease: 2_000 }).start()
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.deepEqual(counts, [1, 0])
  assert.deepEqual(dataOf(outbox.backend.received), [1, 2])
})

test('a worker whose lease ended records no failure, starts no send, and comes back', async () => {
  let skew = 0
  const store = memoryStore({ lanes: 2, now: () => Date.now() + skew })
  await using outbox = new TestOutbox({}, store)
  let answer: ((result: ReturnType<typeof notDelivered>) => void) | undefined
  outbox.backend.behaviour = () =>
    new Promise((resolve) => {
      answer ??= resolve
    })
  const [event] = await outbox.publish(['a'])
  await outbox.broadcaster.worker({ lease: 200, sendTimeout: 5_000 }).start()
  await outbox.until(() => outbox.heard('lane.gained').length === 1)
  // The database's clock leaps over the end of the lease, and another worker takes the lanes.
  skew = 1_000
  await deadWorker(store)
  await outbox.until(() => outbox.heard('lane.lost').length === 1)
  assert.equal(outbox.heard('lane.lost')[0]?.reason, 'lease-ended')
  outbox.backend.behaviour = () => delivered
  answer?.(notDelivered(new Error('too late to count')))
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.equal((await event?.refresh())?.retryCount, 0)
})

test('a clean stop gives back what was not sent, with its retries, and a later worker sends it', async () => {
  const store = memoryStore({ lanes: 1 })
  await using outbox = new TestOutbox({}, store)
  await deadWorker(store)
  const { backend, broadcaster } = outbox
  let release: (() => void) | undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  backend.behaviour = async () => {
    await held
    return delivered
  }
  await outbox.publish(['a', 'a', 'a'])
  const worker = broadcaster.worker({ lease: 2_000 })
  const sending = new Promise<void>((resolve) => {
    const { send } = backend
    backend.send = (events, signal) => {
      resolve()
      return send(events, signal)
    }
  })
  await worker.start()
  await sending
  const stopped = worker.stop()
  release?.()
  await stopped
  // One event of the key was in flight and is settled; the others were in memory and are as before.
  assert.deepEqual(dataOf(backend.received), [1])
  assert.equal(await broadcaster.events.filter({ status: 'pending', retryCount: 0 }).count(), 2)
  assert.equal(await broadcaster.processPendingEvents(), 2)
  assert.deepEqual(dataOf(backend.received), [1, 2, 3])
})
