import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { TestOutbox } from './outbox.ts'

test('a handler that cannot reach what it calls is away by itself: nothing is charged, and the others go on', async () => {
  const registry = new HandlerRegistry()
  const handled: string[] = []
  let down = true
  const bill = async (event: DeliveryEvent): Promise<void> => {
    if (down) throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:443'), { code: 'ECONNREFUSED' })
    handled.push(`bill ${event.partitionKey}`)
  }
  const mail = (event: DeliveryEvent): unknown => handled.push(`mail ${event.partitionKey}`)
  registry.on('order.paid', bill, { name: 'bill' })
  registry.on(['order.paid', 'order.sent'], mail, { name: 'mail' })
  await using outbox = new TestOutbox({ local: handlers(registry) })
  const { broadcaster } = outbox
  const keys = Array.from({ length: 20 }, (_, n) => String(n))
  await broadcaster.transaction((tx) =>
    broadcaster.publishMany(
      tx,
      keys.map((key) => ({ type: Number(key) % 2 ? 'order.paid' : 'order.sent', source: '/s', partitionKey: key })),
      { backend: 'local', maxRetries: 1 },
    ),
  )
  await broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 10 && outbox.heard('destination.down').length > 0)
  assert.equal(outbox.heard('destination.down')[0]?.destination, 'bill')
  down = false
  await outbox.until(() => outbox.heard('event.published').length === 20)
  assert.equal(outbox.heard('event.retried').length, 0)
  assert.equal(outbox.heard('backend.down').length, 0)
  // What had succeeded was remembered: each handler saw each event once.
  assert.equal(handled.filter((line) => line.startsWith('mail')).length, 20)
  assert.equal(handled.filter((line) => line.startsWith('bill')).length, 10)
  for (const event of await broadcaster.events.all()) assert.equal(event.retryCount, 0)
})

test('events that need a handler that is away are not tried but by a probe, and those that are done with it go on', async () => {
  const registry = new HandlerRegistry()
  const calls: string[] = []
  let down = true
  registry.on(
    ['order.paid', 'order.billed'],
    async (event) => {
      calls.push(`bill ${event.partitionKey}`)
      if (down) throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:443'), { code: 'ECONNREFUSED' })
    },
    { name: 'bill' },
  )
  registry.on(['order.paid', 'order.sent'], (event) => calls.push(`mail ${event.partitionKey}`), { name: 'mail' })
  // One lane: an event is fetched after all that were published before it. No probe, unless the breaker is closed by hand.
  const store = memoryStore({ lanes: 1 })
  const { unpark } = store.relay
  let woken = 0
  store.relay.unpark = async (...given) => {
    const answer = await unpark.apply(store.relay, given)
    for (const { count } of answer.woken) woken += count
    return answer
  }
  await using outbox = new TestOutbox({ local: handlers(registry) }, store)
  const { broadcaster } = outbox
  const publish = (type: string, partitionKey: string) =>
    broadcaster.transaction((tx) => broadcaster.publish(tx, { type, source: '/s', partitionKey }, { backend: 'local' }))
  await broadcaster.worker({ breaker: { firstProbe: 600_000, probeInterval: 40 } }).start()
  await publish('order.paid', 'a')
  await outbox.until(() => outbox.heard('destination.down').length === 1)
  assert.deepEqual(calls.toSorted(), ['bill a', 'mail a'])
  for (const key of ['b', 'c', 'd']) await publish('order.billed', key)
  await publish('order.sent', 'e')
  await outbox.until(() => outbox.heard('event.published').length === 1)
  // All that wait came due again and again, and were put aside.
  for (const began = performance.now(); woken < 12; await pause(20)) assert.ok(performance.now() - began < 10_000)
  assert.deepEqual(calls.slice(2), ['mail e'])
  down = false
  await broadcaster.admin.closeBreaker('local', 'bill')
  await outbox.until(() => outbox.heard('event.published').length === 5)
  assert.deepEqual(calls.slice(3).toSorted(), ['bill a', 'bill b', 'bill c', 'bill d'])
})
