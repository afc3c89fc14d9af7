import assert from 'node:assert/strict'
import type { BreakerRow } from '../../store/coordination-store.ts'
import { LONGEST_BREAKER_WAIT } from '../../store/coordination-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, ofTwo } from './fixture.ts'
import { assertColumns, BACKEND, until } from './steps.ts'

async function breaker(store: Store): Promise<BreakerRow | undefined> {
  const { breakers } = await store.coordination.survey([BACKEND])
  return breakers.find((each) => each.backend === BACKEND)
}

/** The breaker, shared by all workers. */
export const breakerCases: readonly StoreCase[] = [
  it('breaker: opens once, closes once', async ({ store }) => {
    const { breakers } = store.coordination
    assert.notEqual((await breaker(store))?.open, true)
    assert.equal(await breakers.close(BACKEND), false)
    assert.equal(await breakers.open(BACKEND, 60_000, 'refused'), true)
    assert.equal(await breakers.open(BACKEND, 1, 'other'), false)
    const open = await breaker(store)
    assertColumns(open, { open: true, error: 'refused' })
    assert.ok(open && open.probeIn > 30_000 && open.probeIn <= 60_000)
    assert.ok(open.since !== null && open.since >= 0 && open.since < 30_000)
    assert.equal(await breakers.close(BACKEND), true)
    assert.equal(await breakers.close(BACKEND), false)
    const closed = await breaker(store)
    assert.equal(closed?.open, false)
    assert.ok(closed?.since !== null)
    assert.equal(await breakers.open(BACKEND, 60_000, 'again'), true)
  }),
  it('breaker: each backend has its own', async ({ store }) => {
    const { breakers } = store.coordination
    await breakers.open('other', 60_000, 'refused')
    assert.notEqual((await breaker(store))?.open, true)
    const { breakers: rows } = await store.coordination.survey(['other'])
    assert.equal(rows.find((row) => row.backend === 'other')?.open, true)
  }),
  it('breaker: a probe is due after its time, for one caller, and again later', async ({ store }) => {
    const { breakers } = store.coordination
    assert.equal(await breakers.tryProbe(BACKEND, 1), false, 'closed: nothing to probe')
    await breakers.open(BACKEND, 60, 'refused')
    const first = await until('the probe is due', async () => {
      const due = ((await breaker(store))?.probeIn ?? 1) <= 0
      return due && (await Promise.all(Array.from({ length: 5 }, () => breakers.tryProbe(BACKEND, 60_000))))
    })
    assert.equal(first.filter(Boolean).length, 1)
    assert.ok(((await breaker(store))?.probeIn ?? 0) > 30_000)
    assert.equal(await breakers.tryProbe(BACKEND, 60_000), false)
  }),
  ofTwo('breaker: of two processes one gets the probe, and one opening counts', async (store, second) => {
    const all = [store, second].map((each) => each.coordination.breakers)
    const opened = await Promise.all(all.map((breakers) => breakers.open(BACKEND, 0, 'refused')))
    assert.equal(opened.filter(Boolean).length, 1)
    const probes = await until('a probe was granted', async () => {
      const granted = await Promise.all(all.map((breakers) => breakers.tryProbe(BACKEND, 60_000)))
      return granted.includes(true) && granted
    })
    assert.equal(probes.filter(Boolean).length, 1)
    const closed = await Promise.all(all.map((breakers) => breakers.close(BACKEND)))
    assert.equal(closed.filter(Boolean).length, 1)
  }),
  it('breaker: postpone puts the next probe off and keeps it open since when it opened', async ({ store }) => {
    const { breakers } = store.coordination
    await breakers.open(BACKEND, 0, 'refused')
    await breakers.postpone(BACKEND, 60_000, 'still refused')
    const row = await breaker(store)
    assertColumns(row, { open: true, error: 'still refused' })
    assert.ok(row && row.probeIn > 30_000)
    assert.equal(await breakers.tryProbe(BACKEND, 1), false)
    await breakers.close(BACKEND)
    await breakers.postpone(BACKEND, 60_000, 'late')
    assert.equal((await breaker(store))?.open, false, 'a late report does not open it')
  }),
  it('breaker: an instant that a clock left behind when it was set back is due', async ({ store }) => {
    const { breakers } = store.coordination
    await breakers.open(BACKEND, 2 * LONGEST_BREAKER_WAIT, 'refused')
    assert.equal(await breakers.tryProbe(BACKEND, 60_000), true)
    assert.equal(await breakers.tryProbe(BACKEND, 60_000), false, 'one probe at a time')
    await breakers.postpone(BACKEND, 2 * LONGEST_BREAKER_WAIT, 'still refused')
    assert.equal(await breakers.tryProbe(BACKEND, 60_000), true)
  }),
]
