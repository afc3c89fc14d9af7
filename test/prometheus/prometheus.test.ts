import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { prometheus } from 'ts-broadcaster/prometheus'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError, PermanentError } from '../../src/backend/send-error.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { StoreLook } from '../../src/metrics/store-look.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { OutboxLook } from '../../src/store/outbox-look.ts'
import type { Store } from '../../src/store/store.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { promtool, skipWithoutPrometheus } from '../support/promtool.ts'
import { STORES } from '../support/stores.ts'
import { valueIn } from './value-in.ts'

const NOW = { maxAge: 0 }
const MAIN = { backend: 'main' }

for (const { name, skip, open } of STORES) {
  describe(`metrics of an outbox: ${name}`, { skip }, () => {
    test('tell what was counted, and what waits in the database', async (t: TestContext) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store as Store)
      using metrics = prometheus(outbox.broadcaster, NOW)
      outbox.backend.behaviour = (event) =>
        event.partitionKey === 'bad' ? notDelivered(new PermanentError('never')) : delivered
      await outbox.publish(['good', 'bad', 'bad', null])
      const before = await metrics.metrics()
      assert.equal(valueIn(before, 'broadcaster_events_inserted_total', MAIN), 4)
      assert.equal(valueIn(before, 'broadcaster_waiting_events', MAIN), 4)
      assert.equal(valueIn(before, 'broadcaster_workers'), 0)
      assert.ok((valueIn(before, 'broadcaster_lag_seconds', MAIN) ?? -1) >= 0)

      const worker = outbox.broadcaster.worker()
      await worker.start()
      await outbox.until(() => outbox.heard('event.blocked').length === 1)
      await outbox.until(() => outbox.heard('event.published').length === 2)
      const text = await metrics.metrics()
      const told = (metric: string): number | undefined => valueIn(text, metric, MAIN)
      assert.equal(told('broadcaster_events_published_total'), 2)
      assert.equal(told('broadcaster_events_failed_total'), 1)
      assert.equal(told('broadcaster_events_blocked_total'), 1)
      assert.equal(told('broadcaster_delivery_seconds_count'), 2)
      assert.equal(told('broadcaster_blocked_keys'), 1)
      assert.equal(told('broadcaster_failed_events'), 1)
      assert.equal(told('broadcaster_stuck_events'), 1)
      assert.ok((told('broadcaster_oldest_stuck_seconds') ?? 0) > 0)
      assert.equal(told('broadcaster_backend_workers'), 1)
      assert.ok((told('broadcaster_lanes_held') ?? 0) > 0)
      assert.equal(valueIn(text, 'broadcaster_workers'), 1)
      assert.equal(valueIn(text, 'broadcaster_workers_running'), 1)
      assert.equal(valueIn(text, 'broadcaster_store_up'), 1)

      await worker.stop()
      const after = await metrics.metrics()
      assert.equal(valueIn(after, 'broadcaster_workers'), 0)
      assert.equal(valueIn(after, 'broadcaster_workers_running'), 0)
      assert.equal(valueIn(after, 'broadcaster_lanes_held', MAIN), 0)
    })
  })
}

test('made late it knows who runs already', async () => {
  await using outbox = new TestOutbox()
  const consumer = new Consumer({
    name: 'late-metrics',
    subscription: memorySubscription(),
    store: memoryStore(),
    logger: false,
    handlers: { 'a.b': () => undefined },
  })
  await consumer.start()
  const worker = outbox.broadcaster.worker()
  await worker.start()
  await outbox.until(() => outbox.heard('lane.gained').length > 0)
  using metrics = prometheus(outbox.broadcaster, NOW)
  const told = async () => {
    const text = await metrics.metrics()
    return {
      workers: valueIn(text, 'broadcaster_workers_running'),
      consumers: valueIn(text, 'broadcaster_consumers_running', { consumer: 'late-metrics' }),
      handled: valueIn(text, 'broadcaster_deliveries_handled_total', { consumer: 'late-metrics' }),
      failed: valueIn(text, 'broadcaster_events_failed_total', MAIN),
      holdsLanes: (valueIn(text, 'broadcaster_lanes_held', MAIN) ?? -1) > 0,
    }
  }
  assert.deepEqual(await told(), { workers: 1, consumers: 1, handled: 0, failed: 0, holdsLanes: true })
  await worker.stop()
  await consumer.stop()
  const stopped = { workers: 0, consumers: 0, handled: 0, failed: 0, holdsLanes: false }
  assert.deepEqual(await told(), stopped)
  // And one that is made after they have stopped knows of none.
  using later = prometheus(outbox.broadcaster, NOW)
  const text = await later.metrics()
  assert.equal(valueIn(text, 'broadcaster_workers_running'), undefined)
  assert.equal(valueIn(text, 'broadcaster_lanes_held', MAIN), undefined)
})

test('promtool is content with what a busy process tells', { skip: skipWithoutPrometheus() }, async () => {
  await using outbox = new TestOutbox()
  using metrics = prometheus(outbox.broadcaster)
  await outbox.publish(['a', 'b'])
  await outbox.broadcaster.processPendingEvents()
  const { said } = promtool(['check', 'metrics'], await metrics.metrics())
  assert.equal(said, '')
})

test('the breaker of a backend stands open while it is down, and what waits for it is stuck', async () => {
  await using outbox = new TestOutbox()
  using metrics = prometheus(outbox.broadcaster, NOW)
  let isUp = false
  outbox.backend.behaviour = () => (isUp ? delivered : notDelivered(new OutageError('down')))
  await outbox.publish(['a'])
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('backend.down').length === 1)
  const down = await metrics.metrics()
  assert.equal(valueIn(down, 'broadcaster_breaker_open', MAIN), 1)
  assert.equal(valueIn(down, 'broadcaster_stuck_events', MAIN), 1)
  assert.equal(valueIn(down, 'broadcaster_lag_seconds', MAIN), 0)
  assert.ok((valueIn(down, 'broadcaster_oldest_stuck_seconds', MAIN) ?? 0) > 0)
  isUp = true
  await outbox.until(() => outbox.heard('event.published').length === 1)
  const up = await metrics.metrics()
  assert.equal(valueIn(up, 'broadcaster_breaker_open', MAIN), 0)
  assert.equal(valueIn(up, 'broadcaster_breaker_opened_total', MAIN), 1)
  assert.equal(valueIn(up, 'broadcaster_breaker_closed_total', MAIN), 1)
})

test('a database that hangs gives what the process counted, and is asked again when it has ended', async () => {
  const store = memoryStore({ lanes: 2 })
  const look = store.admin.look
  const hanging = Promise.withResolvers<void>()
  let asked = 0
  store.admin.look = async () => {
    if (++asked === 1) await hanging.promise
    return look()
  }
  await using outbox = new TestOutbox({}, store)
  using metrics = prometheus(outbox.broadcaster, { maxAge: 0, timeout: 20 })
  await outbox.publish(['a'])
  const texts = await Promise.all([metrics.metrics(), metrics.metrics()])
  texts.push(await metrics.metrics())
  for (const text of texts) {
    assert.equal(valueIn(text, 'broadcaster_store_up'), 0)
    assert.equal(valueIn(text, 'broadcaster_waiting_events', MAIN), undefined)
    assert.equal(valueIn(text, 'broadcaster_events_inserted_total', MAIN), 1)
  }
  assert.equal(asked, 1, 'one look that hangs is enough')
  hanging.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  const text = await metrics.metrics()
  assert.equal(valueIn(text, 'broadcaster_store_up'), 1)
  assert.equal(valueIn(text, 'broadcaster_waiting_events', MAIN), 1)
})

test('many scrapes share one look, and a database that refuses is not asked at each', async () => {
  for (const fails of [false, true]) {
    const store = memoryStore({ lanes: 2 })
    const look = store.admin.look
    let asked = 0
    store.admin.look = () => {
      asked++
      // Not a rejection: nothing that is thrown may stay for good.
      if (fails) throw new Error('refused')
      return look()
    }
    await using outbox = new TestOutbox({}, store)
    using metrics = prometheus(outbox.broadcaster, { maxAge: 60_000 })
    await Promise.all(Array.from({ length: 50 }, () => metrics.metrics()))
    assert.equal(valueIn(await metrics.metrics(), 'broadcaster_store_up'), fails ? 0 : 1)
    assert.equal(asked, 1)
  }
})

test('a look that threw at once is followed by another', async () => {
  let asked = 0
  const look = new StoreLook(
    () => {
      if (++asked === 1) throw new Error('refused')
      return Promise.resolve({ now: new Date() } as OutboxLook)
    },
    { maxAge: 0, timeout: 1_000 },
  )
  assert.equal(await look.seen(), undefined)
  await new Promise((resolve) => setTimeout(resolve, 2))
  assert.notEqual(await look.seen(), undefined)
})

test('the ages of events are by the database’s clock, once that is known', async () => {
  const HOUR = 3_600_000
  // By this host's own clock the event would be an hour old at once.
  const store = memoryStore({ lanes: 2, now: () => Date.now() - HOUR })
  await using outbox = new TestOutbox({}, store)
  using metrics = prometheus(outbox.broadcaster, NOW)
  await metrics.metrics()
  await outbox.publish(['a'])
  await outbox.broadcaster.processPendingEvents()
  const sum = valueIn(await metrics.metrics(), 'broadcaster_delivery_seconds_sum', MAIN) ?? -1
  assert.ok(sum >= 0 && sum < 60, String(sum))
})

test('counters of a worker’s backends begin at 0, so that a rate sees the first failure', async () => {
  await using outbox = new TestOutbox()
  using metrics = prometheus(outbox.broadcaster)
  await outbox.broadcaster.worker().start()
  assert.equal(valueIn(await metrics.metrics(), 'broadcaster_events_failed_total', MAIN), 0)
})

test('several outboxes have one HELP, and two of one name are refused', async () => {
  await using one = new TestOutbox()
  await using two = new TestOutbox()
  using metrics = prometheus([one.broadcaster, two.broadcaster])
  const text = await metrics.metrics()
  assert.equal(text.match(/# HELP broadcaster_store_up /g)?.length, 1)
  assert.equal(text.match(/^broadcaster_store_up\{/gm)?.length, 2)
  assert.throws(() => prometheus([one.broadcaster, one.broadcaster]), {
    code: 'INVALID_OPTION',
    message: /outboxes\[1\] is a Broadcaster that was given before, '.*'; give each once/,
  })
  const namesake = { name: one.broadcaster.name, store: one.broadcaster.store }
  assert.throws(
    () => prometheus([one.broadcaster, namesake]),
    /outboxes\[1\] is another .*; give each a name .* option name/,
  )
  assert.throws(() => prometheus([undefined as never]), /outboxes\[0\] is undefined; give a Broadcaster/)
})

test('what is no Broadcaster and what is no option is refused', () => {
  for (const wrong of [undefined, null, 5, {}, [{}], { name: 'a', store: {} }]) {
    assert.throws(() => prometheus(wrong as never), { code: 'INVALID_OPTION', field: /^outboxes/ })
  }
  assert.throws(() => prometheus([], { maxage: 5 } as never), { code: 'INVALID_OPTION', field: 'maxage' })
})

test('a request is answered in the text format, and one that would change something is refused', async () => {
  using metrics = prometheus([])
  const answer = await metrics.handle(new Request('http://localhost/metrics'))
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(await answer.text(), '')
  const head = await metrics.handle(new Request('http://localhost/metrics', { method: 'HEAD' }))
  assert.equal(head.status, 200)
  const post = await metrics.handle(new Request('http://localhost/metrics', { method: 'POST' }))
  assert.equal(post.status, 405)
  assert.equal(post.headers.get('allow'), 'GET, HEAD')
})

test('what consumers of the process do is counted by their names', async () => {
  using metrics = prometheus([])
  const subscription = memorySubscription()
  const consumer = new Consumer({
    name: 'billing',
    subscription,
    store: memoryStore(),
    logger: false,
    retry: { base: 1, jitter: 'none' },
    handlers: {
      'order.created': async (event, { attempt }) => {
        if (event.data === 'bad') throw new PermanentError('never')
        if (event.data === 'later' && attempt === 1) throw new Error('not now')
      },
    },
  })
  await consumer.start()
  const event = { specversion: '1.0', source: '/orders', type: 'order.created' } as const
  for (const data of ['good', 'later', 'bad']) subscription.deliver({ ...event, id: data, data })
  await subscription.settled()
  subscription.deliver({ ...event, id: 'good', data: 'good' })
  subscription.deliver({ ...event, id: 'other', type: 'order.closed' })
  await subscription.settled()
  const told = await metrics.metrics()
  const value = (metric: string): number | undefined => valueIn(told, metric, { consumer: 'billing' })
  assert.equal(value('broadcaster_consumers_running'), 1)
  assert.equal(value('broadcaster_deliveries_handled_total'), 2)
  assert.equal(value('broadcaster_deliveries_retried_total'), 1)
  assert.equal(value('broadcaster_deliveries_failed_total'), 1)
  assert.equal(value('broadcaster_deliveries_duplicate_total'), 1)
  assert.equal(value('broadcaster_deliveries_ignored_total'), 1)
  assert.equal(value('broadcaster_handle_seconds_count'), 2)
  await consumer.stop()
  assert.equal(valueIn(await metrics.metrics(), 'broadcaster_consumers_running', { consumer: 'billing' }), 0)
})

for (const { name, skip, open } of STORES) {
  test(`a duplicate is counted for its backend: ${name}`, { skip }, async (t) => {
    const { store, close } = await open()
    t.after(close)
    await using outbox = new TestOutbox({}, store as Store)
    using metrics = prometheus(outbox.broadcaster)
    const event = { id: 'order-1', type: 'test.happened', source: '/test', data: 1 }
    for (let n = 0; n < 3; n++) await outbox.broadcaster.transaction((tx) => outbox.broadcaster.publish(tx, event))
    const text = await metrics.metrics()
    assert.equal(valueIn(text, 'broadcaster_events_inserted_total', MAIN), 1)
    assert.equal(valueIn(text, 'broadcaster_events_duplicate_total', MAIN), 2)
    assert.equal(outbox.heard('listener.failed').length, 0)
  })
}
