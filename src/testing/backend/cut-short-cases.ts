import assert from 'node:assert/strict'
import type { BackendCase } from '../backend-conformance.ts'
import { sampleEvents } from '../sample-events.ts'
import { it } from './fixture.ts'
import { assertAllDelivered, assertTruthful, idsOf, noAbort, outcomeOf, sendAll } from './steps.ts'

/** A send that is cut short tells the truth about what arrived. */
export const cutShortCases: readonly BackendCase[] = [
  it('cut short: a send whose signal has aborted already delivers nothing and blames no event', async (fixture) => {
    const { backend, read } = fixture
    const results = await backend.send(sampleEvents(5, 2), AbortSignal.abort())
    assert.equal(results.length, 5)
    for (const result of results) assert.match(outcomeOf(result), /^(not-attempted|outage)$/)
    assert.deepEqual(await read(), [])
  }),
  it('cut short: an abort in the middle of a send leaves a truthful result for each event', async (fixture) => {
    const { backend, read } = fixture
    const warm = sampleEvents(1)
    assertAllDelivered(await backend.send(warm, noAbort()))
    const events = backend.capabilities?.ordersWithinSend ? sampleEvents(400, 20) : sampleEvents(400, 400)
    const stop = new AbortController()
    const sending = backend.send(events, stop.signal)
    setImmediate(() => stop.abort())
    const results = await sending
    for (const result of results) assert.match(outcomeOf(result), /^(ok|not-attempted|outage)$/)
    // What was in flight may arrive until the next send has been answered.
    const last = sampleEvents(1)
    assertAllDelivered(await sendAll(backend, last))
    assertTruthful(events, results, await read())
  }),
  it('cut short: closing in the middle of a send leaves a truthful result for each event', async (fixture) => {
    const { backend, read } = fixture
    const events = backend.capabilities?.ordersWithinSend ? sampleEvents(400, 20) : sampleEvents(400, 400)
    const sending = backend.send(events, noAbort())
    const closing = backend.close()
    const results = await sending
    await closing
    for (const result of results) assert.match(outcomeOf(result), /^(ok|not-attempted|outage)$/)
    assertTruthful(events, results, await read())
  }),
  it('cut short: close is idempotent, before a send and after, and at the same time', async ({ backend, read }) => {
    const events = sampleEvents(3)
    assertAllDelivered(await backend.send(events, noAbort()))
    await Promise.all([backend.close(), backend.close()])
    await backend.close()
    assert.deepEqual(idsOf(await read()).toSorted(), events.map(({ id }) => id).toSorted())
  }),
  it('cut short: a backend that was never used closes', async ({ backend, read }) => {
    await backend.close()
    assert.deepEqual(await read(), [])
  }),
]
