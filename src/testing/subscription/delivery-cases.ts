import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { SubscriptionCase } from '../subscription-conformance.ts'
import { it, requires } from './fixture.ts'
import {
  acknowledgeAll,
  idsOf,
  opened,
  PATIENCE,
  publishedIds,
  subscribed,
  take,
  takeFor,
  wireEvents,
} from './steps.ts'

/** What was published is delivered, whole and in order, until it is acknowledged. */
export const deliveryCases: readonly SubscriptionCase[] = [
  it('delivery: an event comes as it was published, with its key and its trace', async (fixture) => {
    const events = wireEvents(1, 1, {
      data: '{"b":1, "a":12345678901234567890}',
      subject: 'Größe 👋',
      extensions: '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=b"}',
    })
    const subscription = await subscribed(fixture, events)
    const [delivery] = await take(subscription, 1)
    assert.deepEqual(delivery?.event, events[0])
    assert.equal(delivery?.key, 'key-0')
    assert.equal(delivery?.count, 1)
    await acknowledgeAll([delivery])
  }),
  it('delivery: bytes come as they were published; an event without a key has none', async (fixture) => {
    const dataBinary = Uint8Array.from({ length: 256 }, (_, n) => n)
    const events = wireEvents(1, 0, { data: null, dataBinary, dataContentType: 'application/octet-stream' })
    const subscription = await subscribed(fixture, events)
    const [delivery] = await take(subscription, 1)
    assert.deepEqual(Buffer.from(delivery?.event?.dataBinary ?? []), Buffer.from(dataBinary))
    assert.deepEqual(delivery?.event?.attributes, events[0]?.attributes)
    assert.equal(delivery?.key, null)
    await acknowledgeAll([delivery])
  }),
  it('delivery: the events of a key come in the order of publishing', async (fixture) => {
    const events = wireEvents(1_000, 7)
    const subscription = await subscribed(fixture, events)
    const deliveries = await take(subscription, events.length, { limit: 64 })
    for (const key of new Set(deliveries.map((delivery) => delivery.key))) {
      assert.deepEqual(
        idsOf(deliveries.filter((delivery) => delivery.key === key)),
        publishedIds(events.filter(({ attributes }) => attributes['partitionkey'] === key)),
        `the order of ${key}`,
      )
    }
    await acknowledgeAll(deliveries)
  }),
  it('delivery: no more than asked for at once, and nothing is lost by it', async (fixture) => {
    const subscription = await subscribed(fixture, wireEvents(25))
    const seen: unknown[] = []
    while (seen.length < 25) {
      const deliveries = await subscription.receive(4, AbortSignal.timeout(20_000))
      assert.ok(deliveries.length <= 4, `${deliveries.length} came`)
      seen.push(...idsOf(deliveries))
      await acknowledgeAll(deliveries)
    }
    assert.equal(new Set(seen).size, 25)
  }),
  it('delivery: waiting for a message ends with the signal, and nothing is lost by it', async (fixture) => {
    const { subscribe, publish } = fixture
    const subscription = await opened(subscribe())
    for (let n = 0; n < 5; n++) {
      const stop = new AbortController()
      const waiting = subscription.receive(10, stop.signal)
      const started = performance.now()
      stop.abort()
      await acknowledgeAll(await waiting)
      assert.ok(performance.now() - started < 15_000, 'receive ended soon after its signal')
    }
    const events = wireEvents(20)
    await publish(events)
    const deliveries = await take(subscription, 20)
    assert.deepEqual(idsOf(deliveries), publishedIds(events))
    await acknowledgeAll(deliveries)
  }),
  it('delivery: what was acknowledged does not come again', async (fixture) => {
    const first = await subscribed(fixture, wireEvents(10))
    await acknowledgeAll(await take(first, 10))
    await first.close()
    const second = await opened(fixture.subscribe())
    assert.deepEqual(idsOf(await takeFor(second, 1_000)), [])
  }),
  it('delivery: two processes of one consumer share the messages', async ({ subscribe, publish }) => {
    const [one, two] = [await opened(subscribe()), await opened(subscribe())]
    const events = wireEvents(200, 50)
    await publish(events)
    const taken: unknown[] = []
    const stop = new AbortController()
    const work = async (subscription: typeof one): Promise<void> => {
      while (taken.length < events.length && !stop.signal.aborted) {
        const deliveries = await subscription.receive(10, stop.signal).catch(() => [])
        taken.push(...idsOf(deliveries))
        await acknowledgeAll(deliveries)
        if (taken.length >= events.length) stop.abort()
      }
    }
    const timer = setTimeout(() => stop.abort(), 20_000)
    await Promise.all([work(one), work(two)])
    clearTimeout(timer)
    assert.deepEqual(taken.toSorted(), publishedIds(events).toSorted())
  }),
  requires('fanOut')('delivery: consumers of two names each get everything', async ({ subscribe, publish }) => {
    const billing = await opened(subscribe(), 'billing')
    const shipping = await opened(subscribe(), 'shipping')
    const events = wireEvents(20)
    await publish(events)
    for (const subscription of [billing, shipping]) {
      const deliveries = await take(subscription, 20)
      assert.deepEqual(idsOf(deliveries).toSorted(), publishedIds(events).toSorted())
      await acknowledgeAll(deliveries)
    }
  }),
  it('delivery: 10,000 events are taken and acknowledged in bulk', async ({ subscribe, publish }) => {
    const subscription = await opened(subscribe())
    const events = wireEvents(10_000, 100)
    const publishing = publish(events)
    const seen = new Set<unknown>()
    while (seen.size < events.length) {
      const deliveries = await take(subscription, 1).then(async (first) => [
        ...first,
        ...(await subscription.receive(999, AbortSignal.timeout(1))),
      ])
      for (const id of idsOf(deliveries)) seen.add(id)
      await acknowledgeAll(deliveries)
    }
    await publishing
    assert.deepEqual(await takeFor(subscription, 200), [])
  }),
  requires('backlog')('backlog: it counts what was not handed out and what is not acknowledged', async (fixture) => {
    const subscription = await subscribed(fixture, wireEvents(30, 3))
    const becomes = async (expected: number): Promise<void> => {
      let found: number | undefined
      for (const end = Date.now() + PATIENCE; Date.now() < end; await delay(50)) {
        found = await subscription.backlog?.()
        if (found === expected) return
      }
      assert.fail(`the backlog is ${found}, and not ${expected}`)
    }
    await becomes(30)
    const deliveries = await take(subscription, 30)
    await becomes(30)
    await acknowledgeAll(deliveries)
    await becomes(0)
    await fixture.publish(wireEvents(2))
    await becomes(2)
    await acknowledgeAll(await take(subscription, 2))
  }),
]
