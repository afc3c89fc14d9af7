import assert from 'node:assert/strict'
import type { SubscriptionCase } from '../subscription-conformance.ts'
import type { SubscriptionFixture } from './fixture.ts'
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

/** What was not acknowledged comes again; what was given up does not. */
export const conclusionCases: readonly SubscriptionCase[] = [
  requires('redelivers')('conclusion: what was released comes again soon', async (fixture) => {
    const events = wireEvents(5)
    const subscription = await subscribed(fixture, events)
    const deliveries = await take(subscription, 5)
    await Promise.all(deliveries.map((delivery) => delivery.release()))
    const again = await take(subscription, 5)
    assert.deepEqual(idsOf(again).toSorted(), publishedIds(events).toSorted())
    await acknowledgeAll(again)
  }),
  requires('releasesInPlace')(
    'conclusion: what was released comes before what was published after it',
    async (fixture) => {
      const events = wireEvents(10, 1)
      const subscription = await subscribed(fixture, events)
      const deliveries = await take(subscription, 3)
      for (const delivery of deliveries) await delivery.release()
      const again = await take(subscription, 10)
      assert.deepEqual(idsOf(again), publishedIds(events))
      await acknowledgeAll(again)
    },
  ),
  requires('redelivers')('conclusion: what was not concluded at a close comes again elsewhere', async (fixture) => {
    const events = wireEvents(10, 2)
    const first = await subscribed(fixture, events)
    const deliveries = await take(first, 10)
    await acknowledgeAll(deliveries.slice(0, 4))
    await first.close()
    const second = await opened(fixture.subscribe())
    const again = await take(second, 6)
    assert.deepEqual(idsOf(again).toSorted(), idsOf(deliveries.slice(4)).toSorted())
    await acknowledgeAll(again)
    assert.deepEqual(idsOf(await takeFor(second, 300)), [])
  }),
  requires('counts')('conclusion: the count goes up each time', async (fixture) => {
    const subscription = await subscribed(fixture, wireEvents(1))
    for (const count of [1, 2, 3]) {
      const [delivery] = await take(subscription, 1)
      assert.ok(delivery && delivery.count >= Math.min(count, 2), `count ${delivery?.count} at delivery ${count}`)
      if (count < 3) await delivery.release()
      else await delivery.acknowledge()
    }
  }),
  requires('redeliverAfter')(
    'conclusion: what is held for long is not delivered elsewhere',
    async ({ subscribe, publish, redeliverAfter = 0 }) => {
      const [one, two] = [await opened(subscribe()), await opened(subscribe())]
      await publish(wireEvents(1))
      const [holder, other] = await firstToReceive([one, two])
      assert.deepEqual(idsOf(await takeFor(other, redeliverAfter * 3)), [])
      await holder.acknowledge()
    },
  ),
  requires('deadLetters')(
    'conclusion: what was given up stands in the dead-letter place, and does not come again',
    async (fixture) => {
      const events = wireEvents(1, 1, { data: '{"poison":true}' })
      const subscription = await subscribed(fixture, events)
      const [delivery] = await take(subscription, 1)
      await delivery?.deadLetter({ consumer: 'billing', error: new Error('no such customer'), attempts: 5 })
      const [letter, ...more] = (await fixture.deadLetters?.()) ?? []
      assert.deepEqual(more, [])
      assert.equal(letter?.consumer, 'billing')
      assert.match(letter?.error ?? '', /no such customer/)
      assert.equal(letter?.attempts, 5)
      assert.ok(Buffer.from(letter?.body ?? []).includes('{"poison":true}'))
      await subscription.close()
      assert.deepEqual(idsOf(await takeFor(await opened(fixture.subscribe()), 500)), [])
    },
  ),
  requires('unreadable')(
    'conclusion: a message that is not an event is delivered with the problem, and can be given up',
    async ({ subscribe, publish, publishUnreadable, deadLetters }) => {
      const subscription = await opened(subscribe())
      await publishUnreadable?.('{"not":"an event"')
      await publish(wireEvents(1))
      const [unreadable, event] = await take(subscription, 2)
      assert.equal(unreadable?.event, undefined)
      assert.ok(unreadable?.problem instanceof Error)
      assert.ok(event?.event)
      await unreadable.deadLetter({ consumer: 'billing', error: unreadable.problem, attempts: 0 })
      await event.acknowledge()
      if (deadLetters) {
        const letters = await deadLetters()
        assert.deepEqual(
          letters.map(({ body }) => Buffer.from(body).toString()),
          ['{"not":"an event"'],
        )
      }
      assert.deepEqual(idsOf(await takeFor(subscription, 300)), [])
    },
  ),
  requires('stopServer')('conclusion: a stopped broker costs nothing that was not acknowledged', async (fixture) => {
    const events = wireEvents(20, 4)
    const subscription = await subscribed(fixture, events)
    const early = await take(subscription, 20)
    await acknowledgeAll(early.slice(0, 5))
    await outage(fixture, async () => {
      const refused = await Promise.allSettled([subscription.receive(10, AbortSignal.timeout(PATIENCE))])
      assert.equal(refused[0]?.status, 'rejected', 'receive rejects while the broker is away')
      // Too late: the broker delivers them again.
      await Promise.allSettled(early.slice(5).map((delivery) => delivery.acknowledge()))
    })
    const seen = new Set(idsOf(early.slice(0, 5)))
    while (seen.size < events.length) {
      const again = await take(subscription, 1)
      for (const id of idsOf(again)) seen.add(id)
      await Promise.allSettled(again.map((delivery) => delivery.acknowledge()))
    }
    assert.deepEqual([...seen].toSorted(), publishedIds(events).toSorted())
  }),
  requires('stopServer')(
    'conclusion: what was delivered before an outage is still ours, or known to be lost and comes again',
    async (fixture) => {
      const subscription = await subscribed(fixture, wireEvents(1))
      const [delivery] = await take(subscription, 1)
      assert.ok(delivery)
      await outage(fixture, async () => {
        await subscription.receive(10, AbortSignal.timeout(PATIENCE)).catch(() => [])
      })
      let later = await takeFor(subscription, 3_000)
      if (delivery.lost?.aborted && later.length === 0) later = await take(subscription, 1)
      const lost = later.length > 0
      if (delivery.lost) assert.equal(delivery.lost.aborted, lost)
      const ours = lost ? later : [delivery]
      assert.deepEqual(idsOf(ours), idsOf([delivery]))
      await acknowledgeAll(ours)
      assert.deepEqual(idsOf(await takeFor(subscription, 500)), [])
    },
  ),
  it('close: may be called twice, at any time, and ends a receive', async ({ subscribe }) => {
    const early = subscribe()
    await early.close()
    await early.close()
    const subscription = await opened(subscribe())
    const waiting = subscription.receive(10, AbortSignal.timeout(PATIENCE)).catch(() => [])
    await subscription.close()
    assert.deepEqual(await waiting, [])
    await subscription.close()
    await assert.rejects(subscription.receive(1, AbortSignal.timeout(PATIENCE)))
  }),
]

async function outage(fixture: SubscriptionFixture, work: () => Promise<void>): Promise<void> {
  await fixture.stopServer?.()
  try {
    await work()
  } finally {
    await fixture.startServer?.()
  }
}

type Opened = Awaited<ReturnType<typeof opened>>

/** The delivery of whichever subscription got it, and the other one. */
async function firstToReceive([one, two]: readonly [Opened, Opened]) {
  const end = Date.now() + PATIENCE
  while (Date.now() < end) {
    for (const [subscription, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const [delivery] = await subscription.receive(1, AbortSignal.timeout(200))
      if (delivery) return [delivery, other] as const
    }
  }
  return assert.fail('nobody received the event')
}
