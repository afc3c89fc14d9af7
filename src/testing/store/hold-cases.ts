import assert from 'node:assert/strict'
import type { AdminMove } from '../../store/admin-store.ts'
import type { Outcome } from '../../store/relay-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { answerHolds, BACKEND, insert, insertOne, LONG_LEASE, laneOf, newEvent, own, read } from './steps.ts'

const CANCEL: AdminMove = { kind: 'cancel' }

/** `hold`, `quiet`, `move` and `lift`: an operator and the owner of a lane agree who has an event. */
export const holdCases: readonly StoreCase[] = [
  {
    name: 'hold: an event that a live owner may be sending is moved once the owner is quiet, under a new fence',
    async run({ store }) {
      const { ownership, lanes } = await own(store)
      const { id, lane } = await insertOne(store, { partitionKey: 'k' })
      assert.deepEqual(await store.admin.move([id], CANCEL, []), { moved: [], busy: [id] })
      const holds = await store.admin.hold([id], LONG_LEASE)
      assert.deepEqual(holds, [{ backend: BACKEND, lane, number: 1 }])
      const held = await laneOf(store, lane)
      assert.ok(held.holdLeft !== null && held.holdLeft > 0 && held.holdLeft <= LONG_LEASE)
      assert.deepEqual([held.hold, held.quietFor], [1, 0])
      assert.deepEqual(await store.admin.move([id], CANCEL, holds), { moved: [], busy: [id] }, 'not answered yet')
      const seen = lanes.find((each) => each.lane === lane)
      assert.ok(seen)
      const [quiet] = await store.coordination.quiet(ownership.workerId, [seen])
      assert.deepEqual([quiet?.fence, quiet?.quietFor, (quiet?.holdLeft ?? 0) > 0], [seen.fence + 1, 1, true])
      assert.deepEqual(await store.coordination.quiet(ownership.workerId, [seen]), [], 'the old fence is over')
      const late: Outcome = { kind: 'park', id, lane, generation: 0, delay: null }
      const stale = { ...ownership, fences: new Map([[lane, seen.fence]]) }
      assert.deepEqual((await store.relay.settle(stale, [late])).lost, [id], 'a statement that runs late does nothing')
      assert.deepEqual(await store.admin.move([id], CANCEL, holds), { moved: [id], busy: [] })
      const after = await laneOf(store, lane)
      assert.equal(after.holdLeft, null, 'the move ends the hold')
      assert.equal(after.attention, seen.attention + 1)
      assert.equal((await read(store, id)).generation, 1)
    },
  },
  {
    name: 'hold: lanes without a live owner, parked events and settled ones need none',
    async run({ store }) {
      const free = await insertOne(store)
      assert.deepEqual(await store.admin.move([free.id], CANCEL, []), { moved: [free.id], busy: [] })
      const { workerId, ownership } = await own(store)
      const [parked, failed, left] = await insert(store, newEvent({ delay: 60_000 }), newEvent(), newEvent())
      assert.ok(parked && failed && left)
      await store.relay.settle(ownership, [
        { kind: 'failed', generation: 0, id: failed.id, lane: failed.lane, retryCount: 1, blocks: true, error: 'no' },
      ])
      const ids = [parked.id, failed.id, left.id]
      const { moved, busy } = await store.admin.move(ids, CANCEL, [])
      assert.deepEqual([moved.toSorted(), busy], [[parked.id, failed.id].toSorted(), [left.id]])
      await store.coordination.leave(workerId)
      assert.deepEqual(await store.admin.move([left.id], CANCEL, []), { moved: [left.id], busy: [] })
    },
  },
  {
    name: 'move: makes the lanes of a backend that no worker has entered, so that a first one comes before or after',
    async run({ store }) {
      const { id } = await insertOne(store, { publisherBackend: 'nobody' })
      assert.deepEqual((await store.coordination.look(['nobody'])).lanes, [])
      assert.deepEqual(await store.admin.move([id], CANCEL, []), { moved: [id], busy: [] })
      const { lanes } = await store.coordination.look(['nobody'])
      assert.ok(lanes.length > 0)
      assert.ok(lanes.every(({ owner, fence }) => owner === null && fence === 0))
      const { lanes: owned } = await own(store, { backend: 'nobody' })
      assert.equal(owned.length, lanes.length, 'all of them, and a worker takes them')
    },
  },
  {
    name: 'hold: one that another operator renewed, or that was lifted or is over, counts no more',
    async run({ store }) {
      const { workerId } = await own(store)
      const { id, lane } = await insertOne(store)
      const first = await store.admin.hold([id], LONG_LEASE)
      const second = await store.admin.hold([id], LONG_LEASE)
      await store.admin.lift(first)
      assert.ok((await laneOf(store, lane)).holdLeft !== null, 'the second stands')
      await answerHolds(store, second)
      await store.admin.lift(second)
      assert.equal((await laneOf(store, lane)).holdLeft, null)
      assert.deepEqual((await store.admin.move([id], CANCEL, second)).busy, [id], 'the owner may read again')
      const third = await store.admin.hold([id], 0)
      const [quiet] = await store.coordination.quiet(workerId, [await laneOf(store, lane)])
      assert.equal(quiet?.holdLeft, null, 'the owner ends a hold that is over')
      assert.deepEqual((await store.admin.move([id], CANCEL, third)).busy, [id])
    },
  },
  {
    name: 'hold: a deletion that came too late spares what was published meanwhile',
    async run({ store }) {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      const holds = await store.admin.hold([id], LONG_LEASE)
      await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id, lane }])
      await answerHolds(store, holds)
      const late = await store.admin.move([id], { kind: 'delete', published: false }, holds)
      assert.deepEqual(late, { moved: [], busy: [] })
      assert.deepEqual((await store.admin.move([id], { kind: 'delete', published: true }, [])).moved, [id])
    },
  },
  {
    name: 'reconcile: what waited for an event between retries that is gone comes back; what is scheduled does not',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(
        store,
        ...[0, 1, 2].map(() => newEvent({ partitionKey: 'k' })),
        newEvent({ partitionKey: 'k', delay: 3_600_000 }),
        newEvent({ partitionKey: 'other' }),
        newEvent({ partitionKey: 'other' }),
      )
      const [head, one, two, scheduled, otherHead, otherOne] = rows
      assert.ok(head && one && two && scheduled && otherHead && otherOne)
      const at = ({ id, lane }: typeof head) => ({ id, lane, generation: 0 })
      const retry = { kind: 'retry', retryCount: 1, delay: 3_600_000, error: 'no' } as const
      await store.relay.settle(ownership, [
        { ...retry, ...at(head) },
        { ...retry, ...at(otherHead) },
        ...[one, two].map((row) => ({ kind: 'park', ...at(row), delay: 3_600_000, behind: head.id }) as const),
        { kind: 'park', ...at(otherOne), delay: 3_600_000, behind: otherHead.id },
      ])
      assert.deepEqual((await store.admin.move([head.id], { kind: 'requeue' }, [])).moved, [head.id])
      const lanes = [...new Set(rows.map(({ lane }) => lane))]
      const heads = await store.relay.reconcile([BACKEND, ''], lanes)
      assert.deepEqual(
        heads.map(({ id, generation }) => [id, generation]),
        [[otherHead.id, 0]],
      )
      const hot = await store.relay.fetch(
        [BACKEND, ''],
        lanes.map((lane) => ({ lane, after: 0, limit: 10 })),
      )
      assert.deepEqual(
        hot.map(({ id }) => id),
        [head.id, one.id, two.id],
      )
    },
  },
]
