import assert from 'node:assert/strict'
import type { BackendCase } from '../backend-conformance.ts'
import { sampleEvent, sampleEvents } from '../sample-events.ts'
import { requires } from './fixture.ts'
import { assertAllDelivered, assertTruthful, idsOf, noAbort, outcomeOf, sendAll } from './steps.ts'

/** Longer than any connect or reply timeout that a fixture should use. */
const BOUND_MS = 15_000

/** An event that is refused and a destination that is down are told apart. */
export const refusalCases: readonly BackendCase[] = [
  requires('refused')(
    'refusal: a refused event is a failure of that event alone',
    async ({ backend, read, refused }) => {
      const events = [sampleEvent(), sampleEvent(refused), sampleEvent()]
      const outcomes = (await sendAll(backend, events)).map(outcomeOf)
      assert.deepEqual([outcomes[0], outcomes[2]], ['ok', 'ok'])
      assert.match(outcomes[1] ?? '', /^(failure|permanent)$/)
      assert.deepEqual(idsOf(await read()).toSorted(), [events[0]?.id, events[2]?.id].toSorted())
      assert.equal((await backend.healthCheck(noAbort())).healthy, true, 'the destination is not to blame')
    },
  ),
  requires('refusedWithinSend')(
    'refusal: no event is delivered after one of its key that was refused, in the same send',
    async ({ backend, read, refused }) => {
      assert.equal(backend.capabilities?.ordersWithinSend, true)
      const events = [
        sampleEvent({ partitionKey: 'a' }),
        sampleEvent({ partitionKey: 'b' }),
        sampleEvent({ ...refused, partitionKey: 'a' }),
        sampleEvent({ partitionKey: 'a' }),
        sampleEvent({ partitionKey: 'b' }),
        sampleEvent({ partitionKey: 'a' }),
        sampleEvent(),
      ]
      const results = await backend.send(events, noAbort())
      const outcomes = results.map(outcomeOf)
      assert.match(outcomes[2] ?? '', /^(failure|permanent)$/)
      assert.deepEqual(outcomes.toSpliced(2, 1), ['ok', 'ok', 'not-attempted', 'ok', 'not-attempted', 'ok'])
      const received = await read()
      assert.equal(received.length, 4)
      assertTruthful(events, results, received)
    },
  ),
  requires('stopServer')(
    'refusal: a destination that is away is an outage for every event, in bounded time, and comes back by itself',
    async ({ backend, read, stopServer, startServer }) => {
      assert.ok(startServer)
      const events = sampleEvents(20, 3)
      const [first] = events
      assert.ok(first)
      assertAllDelivered(await sendAll(backend, [first]))

      await stopServer()
      const began = performance.now()
      const rest = events.slice(1)
      const results = await sendAll(backend, rest)
      assert.ok(performance.now() - began < BOUND_MS, 'the outage was noticed in bounded time')
      const outcomes = results.map(outcomeOf)
      assert.ok(outcomes.includes('outage'), `one is an outage: ${outcomes.join()}`)
      for (const outcome of outcomes) assert.match(outcome, /^(outage|not-attempted)$/)
      assert.equal((await backend.healthCheck(noAbort())).healthy, false)

      await startServer()
      assert.equal((await backend.healthCheck(noAbort())).healthy, true, 'it connects again by itself')
      assertAllDelivered(await sendAll(backend, rest))
      assertOrder(idsOf(await read()), events)
    },
  ),
]

function assertOrder(
  received: readonly unknown[],
  sent: readonly { readonly id: string; readonly partitionKey?: string | undefined }[],
) {
  for (const key of new Set(sent.map(({ partitionKey }) => partitionKey))) {
    const ids = sent.filter(({ partitionKey }) => partitionKey === key).map(({ id }) => id)
    // An event may have arrived before the destination went away unacknowledged: keep the last arrival.
    const seen = received.filter((id, n) => ids.includes(String(id)) && received.lastIndexOf(id) === n)
    assert.deepEqual(seen, ids, `the order of key ${key}`)
  }
}
