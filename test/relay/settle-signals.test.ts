import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { PermanentError } from '../../src/backend/send-error.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { FlowTally } from '../../src/relay/flow-tally.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { SettleTally } from '../../src/relay/settle-tally.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { onSignal, type SignalMessage, SignalSource } from '../../src/telemetry/signals.ts'
import { TestOutbox } from './outbox.ts'

const KINDS = ['published', 'retried', 'failed', 'blocked', 'lost'] as const

/** What all settles of an outbox came to. */
function settledIn(outbox: TestOutbox): Record<(typeof KINDS)[number] | 'ages', number> {
  const settles = outbox.heard('batch.settled')
  const sum = (of: (one: (typeof settles)[number]) => number): number => settles.reduce((all, one) => all + of(one), 0)
  const counts = KINDS.map((kind) => [kind, sum((one) => one[kind])] as const)
  return Object.fromEntries([...counts, ['ages', sum(({ ages }) => ages.length)]]) as ReturnType<typeof settledIn>
}

test('a settle tells how many events were published, retried, failed and blocked, and the ages of the published', async () => {
  await using outbox = new TestOutbox()
  outbox.backend.behaviour = (event) => {
    if (event.partitionKey === 'bad') return notDelivered(new PermanentError('never'))
    return event.partitionKey === 'later' ? notDelivered(new Error('not now')) : delivered
  }
  await outbox.publish(['good', 'good', null, 'later', 'bad', 'bad'])
  await outbox.broadcaster.worker({ retry: { base: 60_000, jitter: 'none' } }).start()
  await outbox.until(() => KINDS.reduce((all, kind) => all + settledIn(outbox)[kind], 0) === 6)
  assert.deepEqual(settledIn(outbox), { published: 3, retried: 1, failed: 1, blocked: 1, lost: 0, ages: 3 })
  for (const { backend, ages, duration } of outbox.heard('batch.settled')) {
    assert.equal(backend, 'main')
    assert.ok(duration !== null && duration >= 0)
    for (const age of ages) assert.ok(age >= 0 && age < 60_000, String(age))
  }
})

test('what an operator moved while it was sent is told as lost', async () => {
  const store = memoryStore({ lanes: 8 })
  await using outbox = new TestOutbox({}, store)
  const sending = Promise.withResolvers<void>()
  const moved = Promise.withResolvers<void>()
  outbox.backend.behaviour = async () => {
    sending.resolve()
    await moved.promise
    return delivered
  }
  await outbox.publish(['a'])
  await outbox.broadcaster.worker().start()
  await sending.promise
  // As an operator whom this worker does not hear: the row's generation goes up under it.
  const settle = store.relay.settle.bind(store.relay)
  store.relay.settle = async (ownership, outcomes) => {
    store.relay.settle = settle
    return settle(
      ownership,
      outcomes.map((one) => ({ ...one, generation: one.generation + 1 })),
    )
  }
  moved.resolve()
  await outbox.until(() => settledIn(outbox).lost === 1)
  assert.equal(settledIn(outbox).published, 0)
})

test('what is recorded in one transaction with the handler is told without a duration', async () => {
  const registry = new HandlerRegistry()
  registry.on('test.happened', async () => undefined)
  await using outbox = new TestOutbox({ main: handlers(registry, { transactional: true }) })
  await outbox.publish(['a', 'b'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => settledIn(outbox).published === 2)
  assert.deepEqual(new Set(outbox.heard('batch.settled').map(({ duration }) => duration)), new Set([null]))
})

test('an event that is stored already is told as a duplicate, and not as created', async () => {
  await using outbox = new TestOutbox()
  const event = { id: 'order-1', type: 'test.happened', source: '/test', data: 1 }
  for (let n = 0; n < 2; n++) {
    await outbox.broadcaster.transaction((tx) => outbox.broadcaster.publish(tx, event))
  }
  assert.equal(outbox.heard('event.created').length, 1)
  assert.deepEqual(
    outbox.heard('event.duplicate').map(({ record }) => record.eventId),
    ['order-1'],
  )
})

test('a clean-up tells that it begins, and at its end what it deleted', async () => {
  await using outbox = new TestOutbox()
  await outbox.publish(['a', 'b', 'c'])
  const worker = outbox.broadcaster.worker({ retention: { published: 0, interval: 20 } })
  await worker.start()
  const deleted = (): number => outbox.heard('retention.finished').reduce((all, { events }) => all + events, 0)
  await outbox.until(() => deleted() === 3)
  const names = outbox.said.map(({ name }) => name).filter((name) => name.startsWith('retention.'))
  assert.deepEqual(names.slice(0, 2), ['retention.started', 'retention.finished'])
})

test('a clean-up that fails is begun and never finished', async () => {
  const store = memoryStore({ lanes: 8 })
  store.retention.walk = () => Promise.reject(new Error('no right to delete'))
  await using outbox = new TestOutbox({}, store)
  await outbox.broadcaster.worker({ retention: { published: 0, interval: 20 } }).start()
  await outbox.until(() => outbox.heard('retention.started').length > 2)
  assert.equal(outbox.heard('retention.finished').length, 0)
})

test('an event that waits for a retry of its key is not told as blocked', () => {
  const tally = new SettleTally({
    signals: new SignalSource('parks'),
    backend: 'main',
    worker: 'w',
    flow: new FlowTally(),
  })
  const heard: SignalMessage<'batch.settled'>[] = []
  const stop = onSignal('batch.settled', (message) => void heard.push(message))
  const park = { kind: 'park', id: '1', lane: 0, generation: 0 } as const
  const held = {} as HeldEvent
  tally.add(held, { ...park, delay: 50 })
  tally.tell(1)
  assert.equal(heard.length, 0)
  tally.add(held, { ...park, delay: 50 })
  tally.add(held, { ...park, delay: null })
  tally.tell(1)
  stop()
  assert.deepEqual(
    heard.map(({ blocked }) => blocked),
    [1],
  )
})

test('nothing is counted while nobody listens', () => {
  const signals = new SignalSource('nobody')
  const tally = new SettleTally({ signals, backend: 'main', worker: 'w', flow: new FlowTally() })
  tally.addLost()
  const heard: unknown[] = []
  const stop = onSignal('batch.settled', (message) => void heard.push(message))
  tally.tell(1)
  assert.deepEqual(heard, [])
  tally.addLost()
  tally.tell(1)
  stop()
  assert.equal(heard.length, 1, 'the control: with a listener it is')
})
