import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Backend, delivered, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import { OutageError, RetryAfterError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { OutboxEvent } from '../../src/record/outbox-event.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { STORES } from '../support/stores.ts'
import { recordingBackend, TestOutbox } from './outbox.ts'

const TIMEOUT = 200
const never = (): Promise<never> => new Promise(() => undefined)
/** The destination is the part of the key before the colon. */
const placeOf = (event: OutgoingEvent | OutboxEvent): string => (event.partitionKey ?? '').split(':')[0] ?? ''

interface Shops extends Backend {
  readonly received: OutgoingEvent[]
  readonly down: Set<string>
  readonly hanging: Set<string>
  readonly sends: string[][]
}

function shops(): Shops {
  const backend: Shops = {
    ...recordingBackend(),
    received: [],
    down: new Set(),
    hanging: new Set(),
    sends: [],
    timeout: TIMEOUT,
    capabilities: { ordersWithinSend: true },
    destination: placeOf,
    async send(events): Promise<readonly SendResult[]> {
      backend.sends.push(events.map(placeOf))
      if (events.some((event) => backend.hanging.has(placeOf(event)))) return never()
      return events.map((event) => {
        if (backend.down.has(placeOf(event))) return notDelivered(new OutageError(`${placeOf(event)} is away`))
        backend.received.push(event)
        return delivered
      })
    },
  }
  return backend
}

const KEYS = Array.from({ length: 200 }, (_, n) => `shop-${n % 20}:${n % 40}`)

function ordered(events: readonly OutgoingEvent[]): boolean {
  return [...Map.groupBy(events, (event) => event.partitionKey).values()].every((group) =>
    group.every((event, n) => n === 0 || Number(group[n - 1]?.seq) < Number(event.seq)),
  )
}

for (const { name, skip, open } of STORES) {
  describe(`a destination that is away: ${name}`, { skip }, () => {
    test('keeps only its own events waiting, uncharged and in order, and catches up by itself', async (t: TestContext) => {
      const { store, close } = await open()
      t.after(close)
      const backend = shops()
      backend.down.add('shop-3')
      await using outbox = new TestOutbox({ shops: backend }, store as Store)
      await outbox.publish(KEYS, { backend: 'shops' })
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 190)
      await outbox.until(() => outbox.heard('destination.down').length > 0)
      assert.equal(outbox.heard('backend.down').length, 0)
      assert.deepEqual(
        outbox.heard('destination.down').map(({ backend: of, destination }) => [of, destination]),
        [['shops', 'shop-3']],
      )
      const [row] = await store.coordination.destinations.list('shops')
      assert.equal(row?.destination, 'shop-3')
      assert.match(row.error, /shop-3 is away/)
      // Newer ones of the key wait behind the older.
      await outbox.publish(['shop-3:3', 'shop-3:23', 'shop-4:4'], { backend: 'shops' })
      await outbox.until(() => outbox.heard('event.published').length === 191)
      assert.equal(outbox.heard('event.retried').length, 0)
      backend.down.clear()
      await outbox.until(() => outbox.heard('event.published').length === 203)
      assert.ok(ordered(backend.received))
      assert.equal(outbox.heard('destination.up').length, 1)
      assert.deepEqual(await store.coordination.destinations.list('shops'), [])
      for (const event of await outbox.broadcaster.events.all()) assert.equal(event.retryCount, 0)
    })

    for (const [what, said] of [
      ['by the backend', false],
      ['by the error', true],
    ] as const) {
      test(`whatever its name is made of, every store can hold it: named ${what}`, async (t: TestContext) => {
        const { store, close } = await open()
        t.after(close)
        const names = ['a\0b', '\ud800c', `\\'"\`; --`, 'é'.repeat(1_000)]
        const hostile: Backend = {
          ...recordingBackend(),
          ...(!said && { destination: ({ type }: OutgoingEvent) => names[Number(type)] ?? '' }),
          send: async (events) =>
            events.map(({ type }) => {
              const destination = names[Number(type)] ?? ''
              return notDelivered(new OutageError('away', said ? { destination } : {}))
            }),
        }
        await using outbox = new TestOutbox({ hostile }, store as Store)
        await outbox.broadcaster.transaction((tx) =>
          outbox.broadcaster.publishMany(
            tx,
            names.map((_name, n) => ({ type: String(n), source: '/test' })),
            { backend: 'hostile' },
          ),
        )
        await outbox.broadcaster.worker().start()
        await outbox.until(() => outbox.heard('destination.down').length === names.length)
        const rows = await store.coordination.destinations.list('hostile')
        assert.deepEqual(
          rows.map(({ destination }) => destination).sort(),
          ['ab', '\ufffdc', `\\'"\`; --`, 'é'.repeat(200)].sort(),
        )
        assert.deepEqual(outbox.heard('worker.error'), [])
      })
    }
  })
}

test('a destination that never answers costs the others at most the time of two sends, and nobody an attempt', async () => {
  const backend = shops()
  backend.hanging.add('shop-7')
  await using outbox = new TestOutbox({ shops: backend })
  await outbox.publish(KEYS, { backend: 'shops' })
  const started = performance.now()
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 190)
  const took = performance.now() - started
  assert.ok(took < 2 * TIMEOUT, `the others took ${took} ms`)
  await outbox.until(() => outbox.heard('destination.down').length === 1)
  backend.hanging.clear()
  await outbox.until(() => outbox.heard('event.published').length === 200)
  assert.equal(outbox.heard('event.retried').length, 0)
  // No send has events of two destinations: none waits for another's answer.
  assert.ok(backend.sends.every((places) => new Set(places).size === 1))
})

test('events behind a destination that is away are not held in memory', async () => {
  const backend = shops()
  backend.down.add('shop-0')
  const store = memoryStore({ lanes: 2 })
  await using outbox = new TestOutbox({ shops: backend }, store)
  await outbox.publish(
    Array.from({ length: 300 }, (_, n) => `shop-0:${n}`),
    { backend: 'shops' },
  )
  await outbox.broadcaster.worker({ maxInHand: 100 }).start()
  await outbox.until(() => outbox.heard('destination.down').length === 1)
  await outbox.publish(['shop-1:1'], { backend: 'shops' })
  await outbox.until(() => outbox.heard('event.published').length === 1)
})

test('a worker that starts during an outage of a destination sends nothing there but a probe', async () => {
  const backend = shops()
  backend.down.add('shop-0')
  const store = memoryStore({ lanes: 2 })
  await store.coordination.destinations.open('shops', 'shop-0', 60_000, 'away since yesterday')
  await using outbox = new TestOutbox({ shops: backend }, store)
  await outbox.publish(['shop-1:1'], { backend: 'shops' })
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 1)
  backend.sends.length = 0
  await outbox.publish(['shop-0:1', 'shop-0:2', 'shop-1:2'], { backend: 'shops' })
  await outbox.until(() => outbox.heard('event.published').length === 2)
  assert.deepEqual(backend.sends, [['shop-1']])
})

for (const kind of ['outage', 'failure'] as const) {
  test(`a backend that asks for a day is obeyed for as long as the option says (${kind})`, async () => {
    const day = 24 * 3_600_000
    await using outbox = new TestOutbox()
    let answered = false
    outbox.backend.behaviour = () => {
      if (answered) return delivered
      answered = true
      const asked = { retryAfter: day }
      return notDelivered(kind === 'outage' ? new OutageError('busy', asked) : new RetryAfterError('busy', asked))
    }
    await outbox.publish(['a'])
    await outbox.broadcaster.worker({ maxRetryAfter: 100 }).start()
    await outbox.until(() => outbox.heard('event.published').length === 1)
  })
}

for (const isKeyed of [true, false]) {
  const what = isKeyed ? 'with keys' : 'without keys'
  test(`a destination that answers late yet in time leaves room in memory to the others, however long its backlog: ${what}`, async (t) => {
    const backlog = 3_000
    const others = 450
    const backend = shops()
    const place = (event: OutgoingEvent | OutboxEvent): string => (isKeyed ? placeOf(event) : (event.subject ?? ''))
    const answer = backend.send
    backend.send = async (events, signal, context) => {
      // Longer than any other takes, and far within the timeout.
      if (events.some((event) => place(event) === 'slow')) await pause(250)
      return answer(events, signal, context)
    }
    Object.assign(backend, { timeout: 10_000, destination: place })
    await using outbox = new TestOutbox({ shops: backend })
    const publish = async (count: number, nameOf: (n: number) => string): Promise<void> => {
      const events = Array.from({ length: count }, (_, n) => ({
        type: 'a',
        source: '/x',
        ...(isKeyed ? { partitionKey: `${nameOf(n)}:${n % 40}` } : { subject: nameOf(n) }),
      }))
      await outbox.broadcaster.transaction((tx) =>
        outbox.broadcaster.publishMany(tx, events, { backend: 'shops', maxRetries: 1 }),
      )
    }
    // The slow one first, so that all that is in memory at first is its own.
    await publish(backlog, () => 'slow')
    await publish(others, (n) => `shop-${n % 9}`)
    let slow = 0
    let quick = 0
    t.after(
      onSignal('event.published', ({ record }) => {
        if (place(record) === 'slow') slow++
        else quick++
      }),
    )
    await outbox.broadcaster.worker({ maxInHand: 400, batchSize: 20 }).start()
    await outbox.until(() => quick === others || slow > backlog / 3)
    // Each in its turn, nearly all of the backlog would have gone before.
    assert.ok(slow <= backlog / 3, `${slow} of the slow one's and ${quick} of the others' went`)
    t.diagnostic(`${slow} of the slow one's ${backlog} went meanwhile`)
    assert.equal(outbox.heard('destination.down').length, 0)
    assert.equal(outbox.heard('event.retried').length, 0)
    // It goes on at its own pace, and in order.
    const before = slow
    await outbox.until(() => slow >= before + 200)
    if (isKeyed) assert.ok(ordered(backend.received))
  })
}
