import assert from 'node:assert/strict'
import type { BackendCase } from '../backend-conformance.ts'
import { sampleEvent, sampleEvents } from '../sample-events.ts'
import { it, requires } from './fixture.ts'
import { assertAllDelivered, assertOrderWithinKeys, idsOf, noAbort, sendAll } from './steps.ts'

/** What is sent arrives, once for each time that it was sent, in order. */
export const deliveryCases: readonly BackendCase[] = [
  it('delivery: an event is acknowledged and has arrived', async ({ backend, read }) => {
    const event = sampleEvent()
    assertAllDelivered(await backend.send([event], noAbort()))
    assert.deepEqual(idsOf(await read()), [event.id])
  }),
  it('delivery: sending nothing delivers nothing', async ({ backend, read }) => {
    assert.deepEqual(await backend.send([], noAbort()), [])
    assert.deepEqual(await read(), [])
  }),
  it('delivery: one result for each event of a send', async ({ backend, read }) => {
    const events = sampleEvents(50)
    const results = await backend.send(events, noAbort())
    assert.equal(results.length, events.length)
    assertAllDelivered(results)
    assert.deepEqual(idsOf(await read()).toSorted(), events.map(({ id }) => id).toSorted())
  }),
  it('delivery: the id is the one that the caller gave', async ({ backend, read }) => {
    assertAllDelivered(await backend.send([sampleEvent({ eventId: 'invoice/7' })], noAbort()))
    assert.deepEqual(idsOf(await read()), ['invoice/7'])
  }),
  requires('showsDuplicates')(
    'delivery: a second delivery of an event arrives with the same id',
    async ({ backend, read }) => {
      const event = sampleEvent({ partitionKey: 'k' })
      assertAllDelivered(await backend.send([event], noAbort()))
      assertAllDelivered(await backend.send([event], noAbort()))
      assert.deepEqual(idsOf(await read()), [event.id, event.id])
    },
  ),
  it('delivery: events of a key arrive in order, one send after the other', async ({ backend, read }) => {
    const events = sampleEvents(40, 3)
    for (const event of events) assertAllDelivered(await backend.send([event], noAbort()))
    assertOrderWithinKeys(events, await read())
  }),
  requires('ordersWithinSend')(
    'delivery: events of a key arrive in order within one send',
    async ({ backend, read }) => {
      assert.equal(backend.capabilities?.ordersWithinSend, true)
      const events = sampleEvents(300, 7)
      assertAllDelivered(await backend.send(events, noAbort()))
      const received = await read()
      assert.equal(received.length, events.length)
      assertOrderWithinKeys(events, received)
    },
  ),
  it('delivery: sends in flight at the same time do not disturb each other', async ({ backend, read }) => {
    const sends = ['a', 'b', 'c', 'd'].map((key) =>
      Array.from({ length: 30 }, () => sampleEvent({ partitionKey: key })),
    )
    const results = await Promise.all(sends.map((events) => sendAll(backend, events)))
    for (const each of results) assertAllDelivered(each)
    const received = await read()
    assert.equal(received.length, 120)
    for (const events of sends) assertOrderWithinKeys(events, received)
  }),
  it('delivery: 10,000 events, none lost, none twice, in order', async ({ backend, read }) => {
    const events = sampleEvents(10_000, 500)
    assertAllDelivered(await sendAll(backend, events, 1_000))
    const received = await read()
    assert.equal(received.length, events.length)
    assert.equal(new Set(idsOf(received)).size, events.length)
    assertOrderWithinKeys(events, received)
  }),
  it('delivery: a healthy destination is healthy', async ({ backend }) => {
    const health = await backend.healthCheck(noAbort())
    assert.equal(health.healthy, true, health.detail)
    assert.ok(health.latency === undefined || health.latency >= 0)
  }),
]
