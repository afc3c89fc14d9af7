import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { recordingBackend, TestOutbox } from './outbox.ts'

const never = (): Promise<never> => new Promise(() => undefined)
const fails = async (): Promise<never> => {
  throw new Error('no')
}

const cycle: Record<string, unknown> = {}
cycle['itself'] = cycle

for (const [what, results] of [
  ['nothing', undefined],
  ['null for an event', [null]],
  ['an error without a message', [notDelivered(Object.create(null))]],
] as const) {
  test(`a backend that returns ${what} costs its event an attempt, and is not asked for ever`, async () => {
    await using outbox = new TestOutbox()
    let sends = 0
    outbox.backend.send = async () => {
      sends++
      return results as never
    }
    await outbox.publish(['a'], { maxRetries: 1 })
    await outbox.broadcaster.worker().start()
    await outbox.until(() => outbox.heard('event.failed').length === 1)
    assert.equal(sends, 2)
  })
}

test('an event whose progress is not JSON was sent all the same', async () => {
  await using outbox = new TestOutbox()
  outbox.backend.behaviour = () => ({ ok: true, progress: cycle })
  const [event] = await outbox.publish(['a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.equal(outbox.backend.received.length, 1)
  assert.match(JSON.stringify((await event?.refresh())?.progress), /cannot be written as JSON/)
})

for (const wait of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
  test(`a retry policy that returns ${wait} does not stop the settles of other events`, async () => {
    await using outbox = new TestOutbox()
    outbox.backend.behaviour = (event) => (event.data === 1 ? notDelivered(new Error('no')) : delivered)
    await outbox.publish(['a', 'b'])
    await outbox.broadcaster.worker({ retry: () => wait }).start()
    await outbox.until(() => outbox.heard('event.retried').length > 0 && outbox.heard('event.published').length === 1)
    const delay = outbox.heard('event.retried')[0]?.delay ?? Number.NaN
    assert.ok(delay >= 0 && delay <= 365 * 24 * 3_600_000)
  })
}

test('an outage of which the store cannot be told ends, and nothing is sent twice', async () => {
  const store = memoryStore({ lanes: 2 })
  const { open } = store.coordination.breakers
  store.coordination.breakers.open = async () => {
    store.coordination.breakers.open = open
    throw new Error('hiccup')
  }
  await using outbox = new TestOutbox({}, store)
  let down = true
  outbox.backend.behaviour = (event) => {
    if (event.partitionKey === 'a' || !down) return delivered
    down = false
    return notDelivered(new OutageError('away'))
  }
  await outbox.publish(['a', 'b'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.equal(outbox.heard('worker.error').length, 1)
  assert.equal(outbox.backend.received.length, 2)
})

test('where only drains work, one of them finds that the backend is up again', async () => {
  await using outbox = new TestOutbox()
  let down = true
  outbox.backend.behaviour = () => (down ? notDelivered(new OutageError('away')) : delivered)
  await outbox.publish(['a'])
  assert.equal(await outbox.broadcaster.processPendingEvents(), 0)
  down = false
  let published = 0
  for (let n = 0; n < 100 && published === 0; n++) {
    await pause(10)
    published = await outbox.broadcaster.processPendingEvents()
  }
  assert.equal(published, 1)
})

test('what can never commit counts as a failure of its event', async () => {
  const store = memoryStore({ lanes: 1 })
  store.relay.settleInTransaction = async (_ownership, work) => {
    await work({})
    throw Object.assign(new Error('a deferred constraint'), { code: '23505' })
  }
  const local = { ...recordingBackend(), sendInTransaction: async () => delivered }
  await using outbox = new TestOutbox({ local }, store)
  await outbox.publish(['a'], { backend: 'local', maxRetries: 1 })
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.failed').length === 1)
  assert.equal(outbox.heard('event.retried').length, 1)
})

test('a handler that hangs costs the events behind it no attempt', async () => {
  let hangs = true
  const local = {
    ...recordingBackend(),
    timeout: 30,
    sendInTransaction: async () => {
      if (!hangs) return delivered
      hangs = false
      return never()
    },
  }
  await using outbox = new TestOutbox({ local }, memoryStore({ lanes: 1 }))
  await outbox.publish([null, null, null], { backend: 'local' })
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 3)
  assert.equal(outbox.heard('event.retried').length, 1)
})

for (const how of ['stop', 'drain'] as const) {
  test(`a store that records nothing does not keep a ${how} from its end`, async () => {
    const store = memoryStore({ lanes: 1 })
    store.relay.settle = fails
    await using outbox = new TestOutbox({}, store)
    await outbox.publish(['a'])
    if (how === 'drain') {
      assert.equal(await outbox.broadcaster.processPendingEvents({ lease: 200 }), 0)
    } else {
      const worker = outbox.broadcaster.worker({ lease: 200 })
      await worker.start()
      await outbox.until(() => outbox.heard('worker.error').length > 0)
      await worker.stop()
    }
    assert.ok((await store.coordination.survey(['main'])).lanes.every((lane) => lane.owner === null))
  })
}

test('a worker whose lanes cannot be opened keeps its lease, and stops when it is told to', async () => {
  const store = memoryStore({ lanes: 2 })
  store.relay.reconcile = fails
  await using outbox = new TestOutbox({}, store)
  const worker = outbox.broadcaster.worker({ lease: 200 })
  await worker.start()
  const { renew } = store.coordination
  let renewed = 0
  await new Promise<void>((resolve) => {
    store.coordination.renew = (id, lease) => {
      if (++renewed === 6) resolve()
      return renew(id, lease)
    }
  })
  assert.equal((await store.coordination.survey(['main'])).workers.length, 1)
  await worker.stop()
})

test('a worker that fails to start leaves nothing behind', async () => {
  const store = memoryStore({ lanes: 2 })
  const { claim } = store.coordination
  store.coordination.claim = async (workerId, lanes) => {
    await claim(workerId, lanes)
    throw new Error('no')
  }
  await using outbox = new TestOutbox({}, store)
  await assert.rejects(outbox.broadcaster.worker().start(), /no/)
  const { lanes, workers } = await store.coordination.survey(['main'])
  assert.equal(workers.length, 0)
  assert.ok(lanes.every((lane) => lane.owner === null))
})

test('a worker that cannot say that it leaves stops, and what the broadcaster opened is closed', async () => {
  const store = memoryStore({ lanes: 2 })
  store.coordination.leave = fails
  const outbox = new TestOutbox({}, store)
  let closed = 0
  outbox.backend.close = async () => void closed++
  await outbox.broadcaster.worker().start()
  await outbox[Symbol.asyncDispose]()
  assert.equal(closed, 1)
})

test('a wake-up connection that was lost is opened again, also after a failed attempt', async () => {
  const store = memoryStore({ lanes: 2 })
  const { wake } = store
  assert.ok(wake)
  const { listen } = wake
  const again = Promise.withResolvers<void>()
  let attempts = 0
  wake.listen = async (onWake, onLost) => {
    attempts++
    if (attempts === 2) throw new Error('still away')
    if (attempts === 3) again.resolve()
    if (attempts === 1) setTimeout(() => onLost(new Error('away')), 5)
    return listen(onWake, onLost)
  }
  await using outbox = new TestOutbox({}, store)
  await outbox.broadcaster.worker().start()
  await again.promise
})

for (const [what, retry] of [
  ['throws', () => assert.fail('a bug in the policy')],
  ['returns a promise', (async () => 1) as never],
  ['returns a bigint', (() => 1n) as never],
] as const) {
  test(`a retry policy that ${what} is reported once; what its send delivered is recorded, the others wait the backoff`, async () => {
    await using outbox = new TestOutbox({}, memoryStore({ lanes: 1 }))
    outbox.backend.behaviour = (event) => (event.data === 1 ? delivered : notDelivered(new Error('no')))
    await outbox.publish(['a', 'b', 'c'])
    await outbox.broadcaster.worker({ retry }).start()
    await outbox.until(() => outbox.heard('event.retried').length >= 2 && outbox.heard('event.published').length >= 1)
    assert.equal(outbox.backend.received.length, 1)
    assert.equal(outbox.heard('worker.error').length, 1)
    assert.ok(outbox.heard('event.retried').every(({ delay }) => delay >= 50 && delay <= 20_000))
  })
}
