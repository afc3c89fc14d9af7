import assert from 'node:assert/strict'
import { LONGEST_PROBE_WAIT, MOST_DESTINATIONS } from '../../store/coordination-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { BACKEND, until } from './steps.ts'

const PLACE = 'https://shop.example:8443'

/** The breakers of single destinations, shared by all workers. */
export const destinationCases: readonly StoreCase[] = [
  it('destination: opens once, says why, and is gone when it is closed', async ({ store }) => {
    const { destinations } = store.coordination
    assert.deepEqual(await destinations.list(BACKEND), [])
    assert.equal(await destinations.close(BACKEND, PLACE), false)
    assert.equal(await destinations.open(BACKEND, PLACE, 60_000, 'refused'), true)
    assert.equal(await destinations.open(BACKEND, PLACE, 1, 'other'), false)
    assert.equal(await destinations.open(BACKEND, PLACE.toUpperCase(), 60_000, 'another place'), true)
    assert.equal(await destinations.open('other', PLACE, 60_000, 'another backend'), true)
    const rows = await destinations.list(BACKEND)
    assert.equal(rows.length, 2)
    const row = rows.find(({ destination }) => destination === PLACE)
    assert.equal(row?.error, 'refused')
    assert.ok(row.probeIn > 50_000 && row.probeIn <= 60_000, `probe in ${row.probeIn}`)
    assert.ok(row.since >= 0 && row.since < 10_000)
    await destinations.postpone(BACKEND, PLACE, 120_000, 'still')
    const later = (await destinations.list(BACKEND)).find(({ destination }) => destination === PLACE)
    assert.ok(later && later.probeIn > 60_000 && later.error === 'still')
    assert.equal(await destinations.close(BACKEND, PLACE), true)
    assert.equal(await destinations.close(BACKEND, PLACE), false)
    await destinations.postpone(BACKEND, PLACE, 60_000, 'late')
    assert.equal((await destinations.list(BACKEND)).length, 1)
    assert.equal((await destinations.list('other')).length, 1)
  }),
  it('destination: one at a time may probe, when it is due', async ({ store }) => {
    const { destinations } = store.coordination
    assert.equal(await destinations.tryProbe(BACKEND, PLACE, 1), false, 'closed: nothing to probe')
    await destinations.open(BACKEND, PLACE, 60, 'refused')
    assert.equal(await destinations.tryProbe(BACKEND, PLACE, 60_000), false)
    const granted = await until('a probe is due', async () => {
      const [row] = await destinations.list(BACKEND)
      const due = row !== undefined && row.probeIn <= 0
      return due && Promise.all(Array.from({ length: 5 }, () => destinations.tryProbe(BACKEND, PLACE, 60_000)))
    })
    assert.equal(granted.filter(Boolean).length, 1)
  }),
  it('destination: an instant that a clock left behind when it was set back is due, and told no longer than it can be', async ({
    store,
  }) => {
    const { destinations } = store.coordination
    await destinations.open(BACKEND, PLACE, 2 * LONGEST_PROBE_WAIT, 'refused')
    assert.equal((await destinations.list(BACKEND))[0]?.probeIn, LONGEST_PROBE_WAIT)
    assert.equal(await destinations.tryProbe(BACKEND, PLACE, 60_000), true)
    assert.equal(await destinations.tryProbe(BACKEND, PLACE, 60_000), false, 'one probe at a time')
    await destinations.postpone(BACKEND, PLACE, 2 * LONGEST_PROBE_WAIT, 'still refused')
    assert.equal(await destinations.tryProbe(BACKEND, PLACE, 60_000), true)
  }),
  it('destination: of more than a thousand the oldest is dropped', async ({ store }) => {
    const { destinations } = store.coordination
    await destinations.open('other', 'first', 60_000, 'refused')
    await destinations.open(BACKEND, 'first', 60_000, 'refused')
    await new Promise((resolve) => setTimeout(resolve, 5))
    for (let n = 1; n < MOST_DESTINATIONS; n += 25) {
      const some = Array.from({ length: Math.min(25, MOST_DESTINATIONS - n) }, (_, i) => `place-${n + i}`)
      await Promise.all(some.map((place) => destinations.open(BACKEND, place, 60_000, 'refused')))
    }
    assert.equal((await destinations.list(BACKEND)).length, MOST_DESTINATIONS)
    await destinations.open(BACKEND, 'last', 60_000, 'refused')
    const names = (await destinations.list(BACKEND)).map(({ destination }) => destination)
    assert.equal(names.length, MOST_DESTINATIONS)
    assert.ok(names.includes('last') && !names.includes('first'))
    assert.equal((await destinations.list('other')).length, 1)
  }),
]
