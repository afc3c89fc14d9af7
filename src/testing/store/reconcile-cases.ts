import assert from 'node:assert/strict'
import type { InsertedRow } from '../../record/columns.ts'
import type { AdminMove } from '../../store/admin-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { allLanes, deleteNow, fetchAll, insert, laneOf, moveNow, NAMES, newEvent, own, read } from './steps.ts'

interface Blocked {
  readonly lanes: readonly number[]
  readonly head: InsertedRow
  readonly behind: readonly InsertedRow[]
}

/** A key whose first event failed for good, with two events parked behind it. */
async function blockedKey(store: Store, partitionKey = 'blocked'): Promise<Blocked> {
  const { ownership } = await own(store)
  const rows = await insert(store, ...Array.from({ length: 3 }, () => newEvent({ partitionKey })))
  const [head, ...behind] = rows
  assert.ok(head)
  const report = await store.relay.settle(ownership, [
    { kind: 'failed', generation: 0, id: head.id, lane: head.lane, retryCount: 3, blocks: true, error: 'bad' },
    ...behind.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: null }) as const),
  ])
  assert.deepEqual(report.lost, [])
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
  assert.deepEqual(
    (await fetchAll(store)).map((row) => row.id),
    expected.map((row) => row.id),
  )
}

/** Reconcile: which keys are held, and which are not any longer. */
export const reconcileCases: readonly StoreCase[] = [
  {
    name: 'reconcile: returns the heads that hold their key, and changes nothing while they do',
    async run({ store }) {
      const { lanes, head, behind } = await blockedKey(store)
      for (let pass = 0; pass < 2; pass++) {
        assert.deepEqual(await store.relay.reconcile(NAMES, lanes), [
          { id: head.id, seq: head.seq, lane: head.lane, partitionKey: 'blocked', generation: 0, dueIn: null },
        ])
      }
      assert.deepEqual(await fetchAll(store), [])
      assert.notEqual((await read(store, behind[0]?.id ?? '')).availableAt, null)
    },
  },
  {
    name: 'reconcile: a retry holds its key until it is due; an event without a key holds nothing',
    async run({ store }) {
      const { ownership } = await own(store)
      const [keyed, free, due, freeFailed] = await insert(
        store,
        newEvent({ partitionKey: 'k' }),
        newEvent(),
        newEvent({ partitionKey: 'now' }),
        newEvent(),
      )
      assert.ok(keyed && free && due && freeFailed)
      const retry = { kind: 'retry', generation: 0, retryCount: 1, error: 'no' } as const
      await store.relay.settle(ownership, [
        { ...retry, id: keyed.id, lane: keyed.lane, delay: 60_000 },
        { ...retry, id: free.id, lane: free.lane, delay: 60_000 },
        {
          kind: 'failed',
          generation: 0,
          id: freeFailed.id,
          lane: freeFailed.lane,
          retryCount: 3,
          blocks: true,
          error: 'bad',
        },
      ])
      const heads = await store.relay.reconcile(NAMES, await allLanes(store))
      assert.equal(heads.length, 1)
      assert.equal(heads[0]?.id, keyed.id)
      assert.equal(heads[0]?.partitionKey, 'k')
      const dueIn = heads[0]?.dueIn ?? 0
      assert.ok(dueIn > 30_000 && dueIn <= 60_000)
    },
  },
  {
    name: 'reconcile: only a failed event blocks: what waits behind a retry, or without a key, is released',
    async run({ store }) {
      const { ownership } = await own(store)
      const [retry, behind, free, failed] = await insert(
        store,
        ...['k', 'k', null, 'bad'].map((partitionKey) => newEvent({ partitionKey, keyHash: 1 })),
      )
      assert.ok(retry && behind && free && failed)
      await store.relay.settle(ownership, [
        { kind: 'retry', generation: 0, id: retry.id, lane: retry.lane, retryCount: 1, delay: 60_000, error: 'no' },
        { kind: 'park', generation: 0, id: behind.id, lane: behind.lane, delay: null },
        { kind: 'park', generation: 0, id: free.id, lane: free.lane, delay: null },
        { kind: 'failed', generation: 0, id: failed.id, lane: failed.lane, retryCount: 1, blocks: true, error: 'bad' },
      ])
      const heads = await store.relay.reconcile(NAMES, await allLanes(store))
      assert.deepEqual(heads.map((head) => head.id).toSorted(), [retry.id, failed.id].toSorted())
      assert.deepEqual((await fetchAll(store)).map((row) => row.id).toSorted(), [behind.id, free.id].toSorted())
    },
  },
  {
    name: 'reconcile: other lanes and other backends are left alone',
    async run({ store }) {
      const { lanes, head } = await blockedKey(store)
      await deleteNow(store, head.id)
      const elsewhere = lanes.filter((lane) => lane !== head.lane)
      assert.deepEqual(await store.relay.reconcile(NAMES, elsewhere), [])
      assert.deepEqual(await store.relay.reconcile(['other'], lanes), [])
      assert.deepEqual(await store.relay.reconcile(NAMES, []), [])
      assert.deepEqual(await fetchAll(store), [])
      await store.relay.reconcile(NAMES, [head.lane])
      assert.equal((await fetchAll(store)).length, 2)
    },
  },
  {
    name: 'reconcile: a key stays blocked while another of its events blocks it',
    async run({ store }) {
      const { lanes, head, behind } = await blockedKey(store)
      const [second] = behind
      assert.ok(second)
      await moveNow(store, [second.id], { kind: 'markFailed', error: 'by hand' })
      await moveNow(store, [head.id], { kind: 'skip' })
      const heads = await store.relay.reconcile(NAMES, lanes)
      assert.deepEqual(
        heads.map((each) => each.id),
        [second.id],
      )
      assert.deepEqual(await fetchAll(store), [])
    },
  },
  {
    name: 'reconcile: one key of a lane is released, the other stays blocked',
    async run({ store }) {
      const { lanes, head, behind } = await blockedKey(store)
      const { ownership } = await own(store)
      const [other, waiting] = await insert(
        store,
        newEvent({ partitionKey: 'same lane', keyHash: head.lane }),
        newEvent({ partitionKey: 'same lane', keyHash: head.lane }),
      )
      assert.ok(other && waiting && other.lane === head.lane)
      await store.relay.settle(ownership, [
        { kind: 'failed', generation: 0, id: other.id, lane: other.lane, retryCount: 3, blocks: true, error: 'bad' },
        { kind: 'park', generation: 0, id: waiting.id, lane: waiting.lane, delay: null },
      ])
      await moveNow(store, [head.id], { kind: 'skip' })
      const heads = await store.relay.reconcile(NAMES, lanes)
      assert.deepEqual(
        heads.map((each) => each.id),
        [other.id],
      )
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.id),
        behind.map((row) => row.id),
      )
    },
  },
  {
    name: 'reconcile: skip releases the key',
    run: ({ store }) => isReleasedBy(store, { kind: 'skip' }, 'without the head'),
  },
  {
    name: 'reconcile: requeue releases the key, the head first',
    run: ({ store }) => isReleasedBy(store, { kind: 'requeue' }, 'with the head'),
  },
  {
    name: 'reconcile: cancel releases the key',
    run: ({ store }) => isReleasedBy(store, { kind: 'cancel' }, 'without the head'),
  },
  {
    name: 'reconcile: marking the head as published releases the key',
    run: ({ store }) => isReleasedBy(store, { kind: 'markPublished' }, 'without the head'),
  },
  {
    name: 'reconcile: deleting the head releases the key',
    async run({ store }) {
      const { lanes, head, behind } = await blockedKey(store)
      const { attention } = await laneOf(store, head.lane)
      assert.deepEqual(await deleteNow(store, head.id), [head.id])
      assert.ok((await laneOf(store, head.lane)).attention > attention, 'the owner is told')
      assert.deepEqual(await store.relay.reconcile(NAMES, lanes), [])
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.id),
        behind.map((row) => row.id),
      )
    },
  },
]
