import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import { OutageError, PermanentError, RetryAfterError } from '../../src/backend/send-error.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { dataOf, recordingBackend, TestOutbox } from './outbox.ts'

test('a worker delivers what was committed, in order within each key, and nothing that was rolled back', async () => {
  await using outbox = new TestOutbox()
  const { broadcaster, backend } = outbox
  await outbox.publish(['a', 'b', 'a', null, 'b', 'a'])
  const undone = broadcaster.transaction(async (tx) => {
    await broadcaster.publish(tx, { type: 'never', source: '/test', partitionKey: 'a' })
    throw new Error('undo')
  })
  await assert.rejects(undone, /undo/)
  await broadcaster.worker().start()
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('event.published').length === 7)
  assert.deepEqual(dataOf(backend.received, 'a'), [1, 3, 6, 1])
  assert.deepEqual(dataOf(backend.received, 'b'), [2, 5])
  assert.equal(await broadcaster.events.filter({ status: 'published' }).count(), 7)
})

test('a failure is retried with backoff while later events of its key wait and other keys go on', async () => {
  await using outbox = new TestOutbox()
  let failures = 2
  outbox.backend.behaviour = (event) =>
    event.partitionKey === 'a' && event.data === 1 && failures-- > 0 ? notDelivered(new Error('try later')) : delivered
  await outbox.publish(['a', 'a', 'b', 'a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 4)
  assert.deepEqual(dataOf(outbox.backend.received), [3, 1, 2, 4])
  const retried = outbox.heard('event.retried')
  assert.deepEqual(
    retried.map((message) => [message.retryCount, message.delay]),
    [
      [1, 50],
      [2, 100],
    ],
  )
  const first = await outbox.broadcaster.events.get({ id: retried[0]?.record.id ?? '' })
  assert.equal(first.retryCount, 2)
  assert.equal(first.lastError, 'try later')
  assert.equal(first.attempts.length, 2)
})

test('an event that fails for good blocks its key until it is requeued', async () => {
  await using outbox = new TestOutbox()
  const { broadcaster, backend } = outbox
  backend.behaviour = (event) => (event.data === 1 ? notDelivered(new Error('no')) : delivered)
  const [head] = await outbox.publish(['a', 'a', 'b', 'a'], { maxRetries: 1 })
  await broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.failed').length === 1 && outbox.heard('event.published').length === 1)
  await outbox.publish(['a', 'c'])
  // The newcomer of the blocked key is parked too, while the other key's event goes.
  backend.behaviour = () => delivered
  await outbox.until(() => outbox.heard('event.published').length === 2 && outbox.heard('event.blocked').length >= 1)
  assert.deepEqual(dataOf(backend.received), [3, 2])
  const [stats] = (await broadcaster.admin.stats()).backends
  assert.equal(stats?.blockedKeys.count, 1)

  await broadcaster.events.requeue(head?.id ?? '')
  await outbox.until(() => outbox.heard('event.published').length === 6)
  assert.deepEqual(dataOf(backend.received, 'a'), [1, 2, 4, 1])
})

for (const how of ['skip', 'cancel'] as const) {
  test(`${how} releases a blocked key without delivering its failed event`, async () => {
    await using outbox = new TestOutbox()
    const { broadcaster, backend } = outbox
    backend.behaviour = (event) => (event.data === 1 ? notDelivered(new PermanentError('never')) : delivered)
    const [head] = await outbox.publish(['a', 'a', 'a'])
    await broadcaster.worker().start()
    await outbox.until(() => outbox.heard('event.failed').length === 1 && outbox.heard('event.blocked').length === 2)
    await broadcaster.events[how](head?.id ?? '')
    await outbox.until(() => outbox.heard('event.published').length === 2)
    assert.deepEqual(dataOf(backend.received), [2, 3])
    assert.equal((await head?.refresh())?.status, how === 'skip' ? 'failed' : 'cancelled')
  })
}

test("with onFailed 'skip' a failed event keeps nobody waiting", async () => {
  await using outbox = new TestOutbox()
  outbox.backend.behaviour = (event) => (event.data === 1 ? notDelivered(new PermanentError('never')) : delivered)
  await outbox.publish(['a', 'a', 'a'])
  await outbox.broadcaster.worker({ onFailed: 'skip' }).start()
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.deepEqual(dataOf(outbox.backend.received), [2, 3])
  assert.equal(outbox.heard('event.failed')[0]?.blocks, false)
})

test('an outage costs no retries, is announced once, and the backend catches up by itself', async () => {
  const steady = recordingBackend()
  await using outbox = new TestOutbox({ steady })
  const { broadcaster, backend } = outbox
  let down = true
  let attempts = 0
  backend.behaviour = (): SendResult => {
    attempts++
    return down ? notDelivered(new OutageError('nobody there')) : delivered
  }
  await outbox.publish(['a', 'a', 'b', null], { backend: ['main', 'steady'] })
  await broadcaster.worker().start()
  await outbox.until(() => outbox.heard('backend.down').length === 1)
  await outbox.until(() => steady.received.length === 4, 'the other backend is not delayed')
  await outbox.publish(['a'], { backend: 'steady' })
  await outbox.until(() => steady.received.length === 5)
  assert.equal(backend.received.length, 0)
  const before = attempts
  await outbox.until(() => attempts > before, 'a probe')
  down = false
  await outbox.until(() => outbox.heard('event.published').length === 9)
  assert.deepEqual(dataOf(backend.received, 'a'), [1, 2])
  assert.equal(outbox.heard('backend.down').length, 1)
  assert.equal(outbox.heard('backend.up').length, 1)
  assert.equal(await broadcaster.events.filter({ retryCount: { gt: 0 } }).count(), 0)
})

test('a backend can say how long to wait', async () => {
  await using outbox = new TestOutbox()
  let first = true
  outbox.backend.behaviour = () => {
    if (!first) return delivered
    first = false
    return notDelivered(new RetryAfterError('busy', { retryAfter: 300 }))
  }
  await outbox.publish(['a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.equal(outbox.heard('event.retried')[0]?.delay, 300)
})

test('an event scheduled for later is delivered when it is due, not before', async () => {
  await using outbox = new TestOutbox()
  await outbox.broadcaster.worker().start()
  const [later] = await outbox.publish(['a'], { delay: 150 })
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('event.published').length === 2)
  const [one, other] = outbox.heard('event.published')
  assert.equal(other?.record.id, later?.id)
  assert.notEqual(one?.record.id, later?.id)
  const row = await later?.refresh()
  assert.ok((row?.publishedAt?.getTime() ?? 0) >= (row?.scheduledAt.getTime() ?? Number.POSITIVE_INFINITY))
})

test('a send that does not return fails its events after the timeout', async () => {
  await using outbox = new TestOutbox()
  let hang = true
  outbox.backend.behaviour = (_event, signal) => {
    if (!hang) return delivered
    hang = false
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  await outbox.publish(['a'])
  await outbox.broadcaster.worker({ sendTimeout: 50 }).start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  const [retried] = outbox.heard('event.retried')
  assert.ok(retried?.error instanceof BroadcasterError && retried.error.code === 'SEND_TIMEOUT')
})

test('a backend that returns too few results is asked again for each event, and none is lost or charged', async () => {
  await using outbox = new TestOutbox()
  const { backend } = outbox
  const send = backend.send
  let short = true
  backend.send = async (events, signal) => {
    const results = await send(events, signal)
    if (!short) return results
    short = false
    return results.slice(1)
  }
  await outbox.publish([null, null])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.equal(outbox.heard('event.retried').length, 0)
})

test('processPendingEvents delivers as many as it is told, or all, says how many, and gives its lanes back', async () => {
  await using outbox = new TestOutbox()
  const { broadcaster } = outbox
  assert.equal(await broadcaster.processPendingEvents(), 0)
  await outbox.publish(Array.from({ length: 25 }, (_, n) => `key-${n % 7}`))
  assert.equal(await broadcaster.processPendingEvents({ limit: 10 }), 10)
  assert.equal(await broadcaster.processPendingEvents({ batchSize: 4, maxInHand: 4 }), 15)
  for (const limit of [0, -1, 1.5, Number.NaN, '5' as never]) {
    await assert.rejects(broadcaster.processPendingEvents({ limit }), { code: 'INVALID_OPTION', field: 'limit' })
  }
  const { lanes, workers } = await broadcaster.store.coordination.survey(['main'])
  assert.deepEqual(workers, [])
  assert.ok(lanes.every((lane) => lane.owner === null))
})

test('two workers share the lanes evenly; when one stops the other takes over at once', async () => {
  await using outbox = new TestOutbox()
  const { broadcaster } = outbox
  const [one, two] = [broadcaster.worker({ lease: 4_000 }), broadcaster.worker({ lease: 4_000 })]
  const counts = async () => {
    const { lanes } = await broadcaster.store.coordination.survey(['main'])
    return [...Map.groupBy(lanes, (lane) => lane.owner).values()].map((group) => group.length).sort()
  }
  await one.start()
  await two.start()
  const gained = () => outbox.heard('lane.gained').filter((message) => message.worker === two.name)
  await outbox.until(() => gained().flatMap((message) => message.lanes).length === 4)
  assert.deepEqual(await counts(), [4, 4])
  await one.stop()
  await outbox.until(() => gained().flatMap((message) => message.lanes).length === 8)
  assert.deepEqual(await counts(), [8])
})

test('start and stop may be called in any order and any number of times', async () => {
  await using outbox = new TestOutbox()
  const worker = outbox.broadcaster.worker()
  await worker.stop()
  await Promise.all([worker.start(), worker.start(), worker.stop(), worker.start()])
  assert.equal(worker.isRunning, true)
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('event.published').length === 1)
  await Promise.all([worker.stop(), worker.stop()])
  assert.equal(worker.isRunning, false)
  assert.equal(outbox.heard('worker.started').length, 2)
  assert.equal(outbox.heard('worker.stopped').length, 2)
})
