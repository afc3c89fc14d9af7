import assert from 'node:assert/strict'
import type { AdminMove } from '../../store/admin-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import {
  allLanes,
  deleteNow,
  fetchAll,
  fetchedIds,
  idsOf,
  insertAll,
  laneOf,
  moveNow,
  NAMES,
  own,
  read,
} from './steps.ts'

/** A key whose first event failed for good, with two events parked behind it. */
async function blockedKey(store: Store) {
  const { record } = await own(store)
  const key = { partitionKey: 'blocked' }
  const [head, ...behind] = await insertAll(store, key, key, key)
  await record(outcome.failed(head, { retryCount: 3 }), ...behind.map((row) => outcome.park(row)))
  return { lanes: await allLanes(store), head, behind }
}

async function isReleasedBy(store: Store, move: AdminMove, fetched: 'with the head' | 'without the head') {
  const { lanes, head, behind } = await blockedKey(store)
  assert.equal((await store.relay.reconcile(NAMES, lanes)).length, 1, 'blocked before')
  const { attention } = await laneOf(store, head.lane)
  assert.deepEqual(await moveNow(store, [head.id], move), [head.id])
  assert.ok((await laneOf(store, head.lane)).attention > attention, 'the owner is told')
  assert.deepEqual(await store.relay.reconcile(NAMES, lanes), [])
  const expected = fetched === 'with the head' ? [head, ...behind] : behind
  assert.deepEqual(await fetchedIds(store), idsOf(expected))
}

/** Reconcile: which keys are held, and which are not any longer. */
export const reconcileCases: readonly StoreCase[] = [
  it('reconcile: returns the heads that hold their key, and changes nothing while they do', async ({ store }) => {
    const { lanes, head, behind } = await blockedKey(store)
    for (let pass = 0; pass < 2; pass++) {
      assert.deepEqual(await store.relay.reconcile(NAMES, lanes), [
        { id: head.id, seq: head.seq, lane: head.lane, partitionKey: 'blocked', generation: 0, dueIn: null },
      ])
    }
    assert.deepEqual(await fetchAll(store), [])
    assert.notEqual((await read(store, behind[0].id)).availableAt, null)
  }),
  it('reconcile: a retry holds its key until it is due; an event without a key holds nothing', async ({ store }) => {
    const { record } = await own(store)
    const [keyed, free, , freeFailed] = await insertAll(store, { partitionKey: 'k' }, {}, { partitionKey: 'now' }, {})
    await record(outcome.retry(keyed), outcome.retry(free), outcome.failed(freeFailed, { retryCount: 3 }))
    const heads = await store.relay.reconcile(NAMES, await allLanes(store))
    assert.equal(heads.length, 1)
    assert.equal(heads[0]?.id, keyed.id)
    assert.equal(heads[0]?.partitionKey, 'k')
    const dueIn = heads[0]?.dueIn ?? 0
    assert.ok(dueIn > 30_000 && dueIn <= 60_000)
  }),
  it('reconcile: only a failed event blocks: what waits behind a retry, or without a key, is released', async (fixture) => {
    const { store } = fixture
    const { record } = await own(store)
    const key = { partitionKey: 'k', keyHash: 1 }
    const [retry, behind, free, failed] = await insertAll(
      store,
      key,
      key,
      { keyHash: 1 },
      { ...key, partitionKey: 'bad' },
    )
    await record(outcome.retry(retry), outcome.park(behind), outcome.park(free), outcome.failed(failed))
    const heads = await store.relay.reconcile(NAMES, await allLanes(store))
    assert.deepEqual(idsOf(heads).toSorted(), [retry.id, failed.id].toSorted())
    assert.deepEqual((await fetchedIds(store)).toSorted(), [behind.id, free.id].toSorted())
  }),
  it('reconcile: other lanes and other backends are left alone', async ({ store }) => {
    const { lanes, head } = await blockedKey(store)
    await deleteNow(store, head.id)
    const elsewhere = lanes.filter((lane) => lane !== head.lane)
    assert.deepEqual(await store.relay.reconcile(NAMES, elsewhere), [])
    assert.deepEqual(await store.relay.reconcile(['other'], lanes), [])
    assert.deepEqual(await store.relay.reconcile(NAMES, []), [])
    assert.deepEqual(await fetchAll(store), [])
    await store.relay.reconcile(NAMES, [head.lane])
    assert.equal((await fetchAll(store)).length, 2)
  }),
  it('reconcile: a key stays blocked while another of its events blocks it', async ({ store }) => {
    const { lanes, head, behind } = await blockedKey(store)
    const [second] = behind
    await moveNow(store, [second.id], { kind: 'markFailed', error: 'by hand' })
    await moveNow(store, [head.id], { kind: 'skip' })
    const heads = await store.relay.reconcile(NAMES, lanes)
    assert.deepEqual(idsOf(heads), [second.id])
    assert.deepEqual(await fetchAll(store), [])
  }),
  it('reconcile: one key of a lane is released, the other stays blocked', async ({ store }) => {
    const { lanes, head, behind } = await blockedKey(store)
    const { record } = await own(store)
    const key = { partitionKey: 'same lane', keyHash: head.lane }
    const [other, waiting] = await insertAll(store, key, key)
    assert.equal(other.lane, head.lane)
    await record(outcome.failed(other, { retryCount: 3 }), outcome.park(waiting))
    await moveNow(store, [head.id], { kind: 'skip' })
    const heads = await store.relay.reconcile(NAMES, lanes)
    assert.deepEqual(idsOf(heads), [other.id])
    assert.deepEqual(await fetchedIds(store), idsOf(behind))
  }),
  it('reconcile: skip releases the key', ({ store }) => isReleasedBy(store, { kind: 'skip' }, 'without the head')),
  it('reconcile: requeue releases the key, the head first', ({ store }) =>
    isReleasedBy(store, { kind: 'requeue' }, 'with the head')),
  it('reconcile: cancel releases the key', ({ store }) => isReleasedBy(store, { kind: 'cancel' }, 'without the head')),
  it('reconcile: marking the head as published releases the key', ({ store }) =>
    isReleasedBy(store, { kind: 'markPublished' }, 'without the head')),
  it('reconcile: deleting the head releases the key', ({ store }) =>
    isReleasedBy(store, { kind: 'delete', published: true }, 'without the head')),
]
