import assert from 'node:assert/strict'
import type { InsertedRow } from '../../record/columns.ts'
import { LONGEST_PARKING } from '../../store/relay-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { requires } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import {
  allLanes,
  assertColumns,
  fetchedIds,
  idsOf,
  insert,
  insertAll,
  insertOne,
  NAMES,
  newEvent,
  own,
  read,
  untilUnparked,
} from './steps.ts'

const HOUR = 3_600_000
const MINUTE = 60_000

/** The ms until a parked event is due, as the store says; null = none is parked. */
async function nextDueIn(store: Store): Promise<number | null> {
  return (await store.relay.unpark(NAMES, await allLanes(store), 100)).nextDueIn
}

/** A key whose first event waits for a retry, one parked behind it, and an event between retries without a key. */
async function retries(store: Store, delay: number) {
  const { record } = await own(store)
  const key = { partitionKey: 'k', keyHash: 1 }
  const [head, behind, free] = await insertAll(store, key, key, { keyHash: 1 })
  await record(
    outcome.retry(head, { delay }),
    outcome.retry(free, { delay }),
    outcome.park(behind, { delay, behind: head.id }),
  )
  return { head, behind, free }
}

const it = requires('setBack')

/** A clock that was an hour ahead is corrected: what is stored lies an hour too far in the future. */
export const clockCases: readonly StoreCase[] = [
  it('clock set back: a retry waits for its delay from then on, and what is behind it no longer', async (fixture) => {
    const { store, setBack } = fixture
    const { head, behind, free } = await retries(store, MINUTE)
    await setBack(HOUR)
    const heads = await store.relay.reconcile(NAMES, await allLanes(store))
    assert.deepEqual(idsOf(heads), [head.id])
    const dueIn = heads[0]?.dueIn ?? 0
    assert.ok(dueIn > MINUTE / 2 && dueIn <= MINUTE, `the head is due in ${dueIn} ms`)
    const next = (await nextDueIn(store)) ?? 0
    assert.ok(next > MINUTE / 2 && next <= MINUTE, `the first is due in ${next} ms`)
    assert.deepEqual(await fetchedIds(store), [behind.id], 'a relay, which knows the head, parks it anew')
    for (const { id } of [head, free]) {
      const row = await read(store, id)
      assertColumns(row, { status: 'retry', retryCount: 1 })
      assert.ok(row.availableAt !== null && Math.abs(row.availableAt.getTime() - row.scheduledAt.getTime()) <= 1)
      assert.ok(row.scheduledAt.getTime() - row.updatedAt.getTime() <= MINUTE + 1, 'as if it had failed just now')
    }
  }),
  it('clock set back: a retry whose time it does not move stays as it is, with what is behind it', async (fixture) => {
    const { store } = fixture
    const { head, behind } = await retries(store, 2 * HOUR)
    const before = await Promise.all([head, behind].map(({ id }) => read(store, id)))
    for (let pass = 0; pass < 2; pass++) {
      const [known] = await store.relay.reconcile(NAMES, await allLanes(store))
      assert.equal(known?.id, head.id)
      assert.deepEqual(await fetchedIds(store), [])
    }
    assert.deepEqual(await Promise.all([head, behind].map(({ id }) => read(store, id))), before)
  }),
  it('clock set back: what was due when it was published is fetched, in order', async ({ store, setBack }) => {
    await own(store)
    const early = await insertOne(store, { partitionKey: 'k' })
    await setBack(HOUR)
    const late = await insertOne(store, { partitionKey: 'k' })
    assert.deepEqual(await fetchedIds(store), [early.id, late.id])
  }),
  it('clock set back: an event keeps the time for which it was scheduled', async ({ store, setBack }) => {
    await own(store)
    const scheduledAt = new Date(Math.floor((await now(store)) / 1_000) * 1_000 + 48 * HOUR)
    const rows = await insert(store, newEvent({ scheduledAt, partitionKey: 'k' }), newEvent({ scheduledAt }))
    await setBack(HOUR)
    assert.deepEqual(await store.relay.reconcile(NAMES, await allLanes(store)), [])
    for (const { id } of rows) {
      const { availableAt, scheduledAt: kept, createdAt } = await read(store, id)
      assert.equal(availableAt?.getTime(), kept.getTime())
      assert.ok(kept.getTime() - createdAt.getTime() > 47 * HOUR)
    }
    assert.deepEqual(await fetchedIds(store), [])
  }),
  it('clock set back: an event parked for a place that is away waits no longer than it may', async (fixture) => {
    const { store, setBack } = fixture
    const { record } = await own(store)
    const [short, long] = await insertAll(store, {}, {})
    const park = (row: InsertedRow) => record(outcome.park(row, { delay: LONGEST_PARKING / 2 }))
    await park(long)
    await setBack(HOUR)
    await park(short)
    assert.deepEqual(await store.relay.reconcile(NAMES, await allLanes(store)), [])
    assert.deepEqual(await fetchedIds(store), [long.id])
  }),
  it('clock set back: what was due again is fetched, also when it was handed back since', async (fixture) => {
    const { store, setBack } = fixture
    const { record } = await own(store)
    const [scheduled, retried, failed] = await insertAll(store, { delay: 50 }, {}, {})
    await record(outcome.retry(retried, { delay: 50 }), outcome.failed(failed, { error: 'no' }))
    assert.deepEqual(await store.admin.move([failed.id], { kind: 'requeue' }, []), { moved: [failed.id], busy: [] })
    const due = [scheduled.id, retried.id, failed.id]
    await untilUnparked(store, due)
    await setBack(HOUR)
    assert.deepEqual((await fetchedIds(store)).toSorted(), due.toSorted())
    for (const kind of ['sending', 'returned'] as const) {
      await record(
        outcome[kind](scheduled, { retryCount: 0 }),
        outcome[kind](retried),
        outcome[kind](failed, { retryCount: 0, generation: 1 }),
      )
      assert.deepEqual((await fetchedIds(store)).toSorted(), due.toSorted(), kind)
    }
  }),
  it('clock set back: what was due, and is parked since, is due when its time there is over', async (fixture) => {
    const { store, setBack } = fixture
    const { record } = await own(store)
    const [requeued, retried] = await insertAll(store, {}, {})
    await record(outcome.failed(requeued, { error: 'no' }), outcome.retry(retried, { delay: 50 }))
    assert.deepEqual((await store.admin.move([requeued.id], { kind: 'requeue' }, [])).moved, [requeued.id])
    const due = [requeued.id, retried.id]
    await untilUnparked(store, due)
    await setBack(HOUR)
    await record(outcome.park(requeued, { delay: 50, generation: 1 }), outcome.park(retried, { delay: 50 }))
    await untilUnparked(store, due)
    assert.deepEqual((await fetchedIds(store)).toSorted(), due.toSorted())
  }),
]

/** The database's now, in ms since the epoch, from a row inserted for it. */
async function now(store: Store): Promise<number> {
  const { createdAt } = await insertOne(store, { publisherBackend: 'clock' })
  return createdAt.getTime()
}
