import assert from 'node:assert/strict'
import { FURTHEST_AHEAD } from '../../store/permits.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { BACKEND } from './steps.ts'

/** One event a minute: nothing is added while a case runs. */
const MINUTE = 60_000

/** The rates of backends and destinations, shared by all workers. */
export const rateCases: readonly StoreCase[] = [
  it('rate: a burst at once, nothing after it, and when to ask again', async ({ store }) => {
    const { rates } = store.coordination
    const request = { events: 5, interval: MINUTE, burst: 7 }
    assert.deepEqual(await rates.take(BACKEND, '', request), { taken: 5, wait: 0 })
    assert.deepEqual(await rates.take(BACKEND, '', request), { taken: 2, wait: 0 })
    const { taken, wait } = await rates.take(BACKEND, '', request)
    assert.equal(taken, 0)
    assert.ok(wait > MINUTE - FURTHEST_AHEAD - 20_000 && wait <= MINUTE - FURTHEST_AHEAD, `wait ${wait}`)
  }),
  it('rate: what is due soon is given ahead, and no more of it than fits in 100 ms', async ({ store }) => {
    const { rates } = store.coordination
    const request = { events: 50, interval: 10, burst: 500 }
    let sum = 0
    let last = { taken: 0, wait: 0 }
    while (last.wait === 0) {
      last = await rates.take(BACKEND, '', request)
      sum += last.taken
    }
    assert.ok(sum >= 500, `${sum} at once`)
    assert.ok(last.taken >= 10 && last.taken <= 50 && last.wait <= 100, JSON.stringify(last))
  }),
  it('rate: each backend and each destination has its own', async ({ store }) => {
    const { rates } = store.coordination
    const request = { events: 1, interval: MINUTE, burst: 1 }
    const places = [
      [BACKEND, ''],
      [BACKEND, 'https://a.example'],
      [BACKEND, 'https://A.example'],
      ['other', ''],
      ['other', 'https://a.example'],
    ] as const
    for (const [backend, place] of places) assert.equal((await rates.take(backend, place, request)).taken, 1, place)
    for (const [backend, place] of places) assert.equal((await rates.take(backend, place, request)).taken, 0, place)
  }),
  it('rate: of many who take at once all together get no more than there is', async ({ store }) => {
    const { rates } = store.coordination
    const request = { events: 3, interval: MINUTE, burst: 20 }
    let sum = 0
    // Who was overtaken is told to ask again.
    for (let round = 0; round < 20 && sum < 20; round++) {
      const all = await Promise.all(Array.from({ length: 12 }, () => rates.take(BACKEND, '', request)))
      sum += all.reduce((total, { taken }) => total + taken, 0)
    }
    assert.equal(sum, 20)
    assert.equal((await rates.take(BACKEND, '', request)).taken, 0)
  }),
  it('rate: one that became faster does not wait for what the slower one owed, and gives no burst for it', async ({
    store,
  }) => {
    const { rates } = store.coordination
    await rates.take(BACKEND, '', { events: 500, interval: MINUTE, burst: 500 })
    const { taken, wait } = await rates.take(BACKEND, '', { events: 10, interval: 100, burst: 10 })
    assert.equal(taken, 1)
    assert.ok(wait > 0 && wait <= 100, `wait ${wait}`)
  }),
  it('rate: one that owes more than it ever can is counted down from what it can, though nothing is given', async ({
    store,
  }) => {
    const { rates } = store.coordination
    // As behind a clock that was set back by hours.
    await rates.take(BACKEND, '', { events: 500, interval: MINUTE, burst: 500 })
    const slow = { events: 10, interval: 4_000, burst: 1 }
    const { taken, wait } = await rates.take(BACKEND, '', slow)
    assert.deepEqual([taken, wait <= 4_000 - FURTHEST_AHEAD && wait > 0], [0, true], `wait ${wait}`)
    // Another rate tells what is owed since.
    const other = await rates.take(BACKEND, '', { events: 1, interval: MINUTE, burst: 1 })
    assert.equal(other.taken, 0)
    assert.ok(other.wait <= 4_000 - FURTHEST_AHEAD, `wait ${other.wait}`)
  }),
  it('rate: a high one is counted to the fraction of a millisecond', async ({ store }) => {
    const { rates } = store.coordination
    // One in 0.3 ms: in whole milliseconds it would be three times as fast, or infinitely.
    const request = { events: 1, interval: 0.3, burst: 1 }
    let [sum, end] = [0, 0]
    const start = performance.now()
    for (let n = 0; n < 60; n++) {
      const { taken, wait } = await rates.take(BACKEND, '', request)
      sum += taken
      end = performance.now() + wait
    }
    assert.ok(sum <= (end - start) / 0.3 + 20, `${sum} in ${end - start} ms`)
  }),
]
