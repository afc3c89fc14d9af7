import assert from 'node:assert/strict'
import type { DeadLetter, DeadLetterPlace } from '../../consumer/dead-letter-place.ts'
import type { Subscription } from '../../consumer/subscription.ts'
import type { EncodableEvent } from '../../event/cloud-event.ts'
import type { SubscriptionCase } from '../subscription-conformance.ts'
import { requires } from './fixture.ts'
import { acknowledgeAll, idsOf, opened, PATIENCE, publishedIds, take, takeFor, wireEvents } from './steps.ts'

const CONSUMER = 'conformance'

const it = requires('requeues')

/** What was given up can be listed, and delivered again. */
export const deadLetterCases: readonly SubscriptionCase[] = [
  it('dead letters: they are listed with their reason, page by page, and stay', async ({ subscribe, publish }) => {
    const events = wireEvents(5)
    await withPlace(await givenUp(subscribe(), publish, events), async (place) => {
      for (let time = 0; time < 2; time++) {
        const first = await place.list({ limit: 2 }, soon())
        const rest = await place.list({ limit: 10, after: lastOf(first) }, soon())
        const all = [...first, ...rest]
        assert.equal(first.length, 2)
        assert.deepEqual(
          all.map(({ event }) => event?.attributes['id']),
          publishedIds(events),
        )
        for (const letter of all) {
          assert.deepEqual([letter.consumer, letter.attempts], [CONSUMER, 3])
          assert.match(letter.error, /no such customer/)
          assert.notEqual(letter.position, '')
        }
        assert.deepEqual(await place.list({ limit: 10, after: lastOf(rest) }, soon()), [])
      }
    })
  }),
  it('dead letters: one that is requeued comes again as it was published, and is not a dead letter any more', async (fixture) => {
    const { subscribe, publish } = fixture
    const events = wireEvents(3, 1, { data: '{"b":1, "a":12345678901234567890}', subject: 'Größe 👋' })
    const subscription = subscribe()
    await withPlace(await givenUp(subscription, publish, events), async (place) => {
      const [, second] = await place.list({ limit: 10 }, soon())
      assert.ok(second)
      assert.equal(await place.requeue(second.id, soon()), true)
      const [again] = await take(subscription, 1)
      assert.deepEqual(again?.event, events[1])
      assert.equal(again?.key, 'key-0')
      assert.deepEqual(
        await listed(place),
        [events[0], events[2]].map((event) => event?.attributes['id']),
      )
      assert.equal(await place.requeue(second.id, soon()), false, 'it can be requeued once')
      await acknowledgeAll([again])
      assert.deepEqual(idsOf(await takeFor(subscription, 300)), [])
    })
  }),
  it('dead letters: one that is requeued and given up again is a dead letter again', async ({ subscribe, publish }) => {
    const subscription = subscribe()
    const events = wireEvents(1)
    await withPlace(await givenUp(subscription, publish, events), async (place) => {
      for (let time = 0; time < 2; time++) {
        const [letter] = await place.list({ limit: 10 }, soon())
        assert.ok(letter)
        assert.equal(await place.requeue(letter.id, soon()), true)
        const [again] = await take(subscription, 1)
        await again?.deadLetter({ consumer: CONSUMER, error: new Error('still none'), attempts: 1 })
      }
      const [letter, ...more] = await place.list({ limit: 10 }, soon())
      assert.deepEqual(more, [])
      assert.match(letter?.error ?? '', /still none/)
    })
  }),
  requires('fanOut')(
    'dead letters: one that is requeued comes to the consumer that gave it up alone',
    async ({ subscribe, publish }) => {
      const subscription = subscribe()
      if (subscription.deadLetterPlace === undefined) return
      const other = await opened(subscribe(), 'shipping')
      const events = wireEvents(1)
      const place = await givenUp(subscription, publish, events)
      await acknowledgeAll(await take(other, 1))
      await withPlace(place, async () => {
        const [letter] = await place.list({ limit: 10 }, soon())
        assert.equal(await place.requeue(letter?.id ?? '', soon()), true)
        const again = await take(subscription, 1)
        assert.deepEqual(idsOf(again), publishedIds(events))
        await acknowledgeAll(again)
        await publish(wireEvents(1, 0, { eventId: 'later' }))
        // What came before it was skipped.
        assert.deepEqual(idsOf(await take(other, 1)), ['later'])
      })
    },
  ),
  requires('unreadable')(
    'dead letters: a message that is not an event is listed with the problem, and requeued byte for byte',
    async ({ subscribe, publishUnreadable }) => {
      const subscription = subscribe()
      if (subscription.deadLetterPlace === undefined) return
      await opened(subscription, CONSUMER)
      await publishUnreadable?.('{"not":"an event"')
      const [delivery] = await take(subscription, 1)
      await delivery?.deadLetter({ consumer: CONSUMER, error: delivery.problem, attempts: 0 })
      await withPlace(placeOf(subscription), async (place) => {
        const [letter] = await place.list({ limit: 10 }, soon())
        assert.equal(letter?.event, undefined)
        assert.ok(letter?.problem instanceof Error)
        assert.equal(await place.requeue(letter?.id ?? '', soon()), true)
        const [again] = await take(subscription, 1)
        assert.equal(again?.event, undefined)
        await again?.deadLetter({ consumer: CONSUMER, error: again.problem, attempts: 0 })
        const [body] = (await place.list({ limit: 10 }, soon())).map((each) => Buffer.from(each.body).toString())
        assert.deepEqual(body, Buffer.from(letter?.body ?? []).toString())
      })
    },
  ),
]

const soon = (): AbortSignal => AbortSignal.timeout(PATIENCE)

const lastOf = (letters: readonly DeadLetter[]): string => letters.at(-1)?.id ?? ''

/** Opens the subscription, publishes and gives all up. */
async function givenUp(
  subscription: Subscription,
  publish: (events: readonly EncodableEvent[]) => Promise<void>,
  events: readonly EncodableEvent[],
): Promise<DeadLetterPlace> {
  await opened(subscription, CONSUMER)
  await publish(events)
  for (const delivery of await take(subscription, events.length)) {
    await delivery.deadLetter({ consumer: CONSUMER, error: new Error('no such customer'), attempts: 3 })
  }
  return placeOf(subscription)
}

function placeOf(subscription: Subscription): DeadLetterPlace {
  return subscription.deadLetterPlace?.({ consumer: CONSUMER }) ?? assert.fail('it has no deadLetterPlace')
}

async function withPlace(place: DeadLetterPlace, work: (place: DeadLetterPlace) => Promise<void>): Promise<void> {
  try {
    await work(place)
  } finally {
    await place.close()
    await place.close()
  }
}

async function listed(place: DeadLetterPlace): Promise<readonly unknown[]> {
  return (await place.list({ limit: 10 }, soon())).map(({ event }) => event?.attributes['id'])
}
