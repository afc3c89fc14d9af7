import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { LONGEST_BREAKER_WAIT, LONGEST_PROBE_WAIT } from '../../src/store/coordination-store.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { until as untilTrue } from '../../src/testing/store/steps.ts'
import { recordingBackend, TestOutbox } from './outbox.ts'

/** A backend that refuses a whole send, as if it were down, when one event is in it. */
function refusing(isPoison: (event: OutgoingEvent) => boolean): Backend & { readonly probed: string[] } {
  const backend = {
    ...recordingBackend(),
    probed: [] as string[],
    async send(events: readonly OutgoingEvent[]) {
      backend.probed.push(events.map(({ partitionKey }) => partitionKey).join())
      if (events.some(isPoison)) throw new OutageError('no permissions to access one of the streams')
      return events.map(() => delivered)
    },
  }
  return backend
}

test('an event that looks like an outage is not the probe for ever, and in the end is charged itself', async () => {
  const bad = refusing((event) => event.partitionKey === 'bad')
  await using outbox = new TestOutbox({ bad }, memoryStore({ lanes: 1 }))
  await outbox.publish(['bad', ...Array.from({ length: 50 }, (_, n) => `key-${n}`)], { backend: 'bad', maxRetries: 3 })
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 50)
  await outbox.until(() => outbox.heard('event.retried').length > 0)
  // The whole batch, two probes with the oldest event, one with the next.
  assert.deepEqual(bad.probed.slice(1, 4), ['bad', 'bad', 'key-0'])
  for (const event of await outbox.broadcaster.events.all()) {
    if (event.partitionKey !== 'bad') assert.equal(event.retryCount, 0)
  }
})

/** Events that were in flight when their worker died, and a backend that is down. */
async function leftBehind(outbox: TestOutbox, kind: 'processing' | 'suspect'): Promise<void> {
  const { relay, coordination } = outbox.broadcaster.store
  const [first] = await outbox.publish(['a', 'b', 'c'])
  const workerId = await coordination.enter({ name: 'dead', backends: ['main'], lease: 100 })
  const { lanes } = await coordination.survey(['main'])
  const owned = await coordination.claim(workerId, lanes)
  const fences = new Map(owned.map(({ lane, fence }) => [lane, fence]))
  if (kind === 'suspect') return
  const rows = await relay.fetch(
    ['main', ''],
    owned.map(({ lane }) => ({ lane, after: 0, limit: 10 })),
  )
  const sending = rows.map(
    ({ id, lane, generation }) => ({ kind: 'sending', id, lane, generation, retryCount: 0 }) as const,
  )
  const { lost } = await relay.settle({ workerId, fences, backend: 'main' }, sending)
  assert.deepEqual(lost, [])
  assert.equal((await first?.refresh())?.status, 'processing')
}

for (const kind of ['processing', 'suspect'] as const) {
  test(`a worker that may end at any moment of an outage costs no event an attempt (${kind})`, async () => {
    const store = memoryStore({ lanes: 2 })
    await using outbox = new TestOutbox({}, store)
    await leftBehind(outbox, kind)
    let down = true
    let checks = 0
    const untouched = `${kind === 'processing' ? 'processing' : 'pending'} 0`
    /** What a worker that ends while it probes leaves behind of the event. */
    const begun: string[] = []
    outbox.backend.behaviour = async ({ id }) => {
      if (!down) return delivered
      const { status, retryCount } = await outbox.broadcaster.events.get(id)
      begun.push(`${status} ${retryCount}`)
      throw new OutageError('away')
    }
    outbox.backend.healthCheck = async () => {
      checks++
      return { healthy: !down }
    }
    await store.coordination.breakers.open('main', 0, 'away')
    await outbox.broadcaster.worker({ lease: 400 }).start()
    // The dead one's lanes are ours: from now on there are events to probe with.
    await outbox.until(() => outbox.heard('lane.gained').flatMap(({ lanes }) => lanes).length === 2)
    checks = 0
    begun.length = 0
    while (checks + begun.length < 4) {
      // Whenever it ends: nothing says that an attempt was begun.
      for (const { status, retryCount } of await outbox.broadcaster.events.all())
        assert.equal(`${status} ${retryCount}`, untouched)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.deepEqual(
      begun.filter((left) => left !== untouched),
      [],
    )
    down = false
    await outbox.until(() => outbox.heard('event.published').length === 3)
    assert.equal(outbox.heard('event.retried').length, 0)
  })
}

test('after the clocks say that time was lost, the database is asked before anything is sent', async (t) => {
  const store = memoryStore({ lanes: 2 })
  const log: string[] = []
  const { renew } = store.coordination
  store.coordination.renew = async (...given) => {
    log.push('renew')
    return renew(...given)
  }
  await using outbox = new TestOutbox({}, store)
  outbox.backend.behaviour = () => {
    log.push('send')
    return delivered
  }
  await outbox.broadcaster.worker().start()
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('event.published').length === 1)
  const now = Date.now.bind(Date)
  // The virtual machine was paused for a minute: its monotonic clock stood still.
  t.mock.method(Date, 'now', () => now() + 60_000)
  log.length = 0
  await outbox.publish(['a', 'b', 'c'])
  await outbox.until(() => outbox.heard('event.published').length === 4)
  assert.equal(log[0], 'renew')
})

test('a worker that was paused past its lease sends nothing of what it had in hand', async (t) => {
  const store = memoryStore({ lanes: 1 })
  await using outbox = new TestOutbox({}, store)
  const started = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  outbox.backend.behaviour = async () => {
    started.resolve()
    await go.promise
    return delivered
  }
  const sent: number[] = []
  const { send } = outbox.backend
  outbox.backend.send = async (events, signal) => {
    sent.push(events.length)
    return send(events, signal)
  }
  await outbox.publish(new Array<null>(30).fill(null))
  await outbox.broadcaster.worker({ batchSize: 10, concurrency: 1, sendTimeout: 60_000 }).start()
  await started.promise
  // While it stood still another worker has taken the lane.
  store.coordination.renew = async () => false
  const now = Date.now.bind(Date)
  t.mock.method(Date, 'now', () => now() + 60_000)
  go.resolve()
  await outbox.until(() => outbox.heard('lane.lost').some(({ reason }) => reason === 'lease-ended'))
  assert.deepEqual(sent, [10])
})

for (const [how, says] of [
  ['throws', () => Promise.reject(new OutageError('the connection was closed while nobody read from it'))],
  [
    'answers',
    () => Promise.resolve(notDelivered(new OutageError('the connection was closed while nobody read from it'))),
  ],
  ['refuses', () => Promise.resolve(notDelivered(new Error('too late for me')))],
] as const) {
  test(`a send that a worker finishes long after its time, since it stood still, opens no breaker and charges nobody: it ${how}`, async (t) => {
    await using outbox = new TestOutbox()
    const now = Date.now.bind(Date)
    let stoodStill = false
    outbox.backend.behaviour = () => {
      if (stoodStill) return delivered
      stoodStill = true
      t.mock.method(Date, 'now', () => now() + 60_000)
      return says()
    }
    await outbox.publish(['a'])
    await outbox.broadcaster.worker().start()
    await outbox.until(() => outbox.heard('event.published').length === 1)
    assert.equal(outbox.heard('backend.down').length, 0)
    assert.equal(outbox.heard('event.retried').length, 0)
  })
}

test('a breaker whose next probe a clock that was set back has left in the far future is probed at once', async () => {
  let ahead = 3_600_000
  const store = memoryStore({ lanes: 2, now: () => Date.now() + ahead })
  await using outbox = new TestOutbox({}, store)
  await store.coordination.breakers.open('main', 60_000, 'away')
  ahead = 0
  await outbox.publish(['a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('backend.up').length === 1)
  await outbox.until(() => outbox.heard('event.published').length === 1)
})

for (const kind of ['backend', 'destination'] as const) {
  test(`no instant of a breaker lies further ahead than the store believes, whatever the options say: ${kind}`, async () => {
    const longest = kind === 'backend' ? LONGEST_BREAKER_WAIT : LONGEST_PROBE_WAIT
    const store = memoryStore({ lanes: 2 })
    const asked: Record<string, number> = {}
    const told = store.coordination[kind === 'backend' ? 'breakers' : 'destinations']
    for (const name of ['open', 'tryProbe', 'postpone'] as const) {
      const call = told[name].bind(told) as (...given: never[]) => unknown
      const telling = (...given: never[]): unknown => {
        asked[name] = Number(given.find((one) => typeof one === 'number'))
        return call(...given)
      }
      Object.assign(told, { [name]: telling })
    }
    const away = recordingBackend(async () => notDelivered(new OutageError('away')))
    const there = kind === 'backend' ? away : { ...away, destination: () => 'there' }
    await using outbox = new TestOutbox({ away: there }, store)
    const work = async (firstProbe: number, until: string): Promise<void> => {
      const breaker = { firstProbe, probeInterval: 3_600_000 }
      const worker = outbox.broadcaster.worker({ backends: ['away'], sendTimeout: 60_000, lease: 90_000, breaker })
      await worker.start()
      await untilTrue(until, async () => {
        if (asked[until] !== undefined) return true
        // What came before is parked for a while.
        await outbox.publish([null], { backend: 'away' })
        await pause(50)
        return false
      })
      await worker.stop()
    }
    await work(2 * longest, 'open')
    assert.deepEqual(asked, { open: longest })
    for (const { destination } of await store.coordination.destinations.list('away'))
      await store.coordination.destinations.close('away', destination)
    await store.coordination.breakers.close('away')
    await work(0, 'postpone')
    assert.deepEqual(asked, { open: 0, tryProbe: longest, postpone: kind === 'backend' ? longest : 3_600_000 })
  })
}
