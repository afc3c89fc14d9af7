import assert from 'node:assert/strict'
import type { AdminMove } from '../../store/admin-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import { answerHolds, BACKEND, idsOf, insertAll, insertOne, LONG_HOLD, laneOf, own, read } from './steps.ts'

const CANCEL: AdminMove = { kind: 'cancel' }

/** `hold`, `quiet`, `move` and `lift`: an operator and the owner of a lane agree who has an event. */
export const holdCases: readonly StoreCase[] = [
  it('hold: an event that a live owner may be sending is moved once the owner is quiet, under a new fence', async (fixture) => {
    const { store } = fixture
    const { ownership, lanes } = await own(store)
    const { id, lane } = await insertOne(store, { partitionKey: 'k' })
    assert.deepEqual(await store.admin.move([id], CANCEL, []), { moved: [], busy: [id] })
    const holds = await store.admin.hold([id], LONG_HOLD)
    assert.deepEqual(holds, [{ backend: BACKEND, lane, number: 1 }])
    const held = await laneOf(store, lane)
    assert.ok(held.holdLeft !== null && held.holdLeft > 0 && held.holdLeft <= LONG_HOLD)
    assert.deepEqual([held.hold, held.quietFor], [1, 0])
    assert.deepEqual(await store.admin.move([id], CANCEL, holds), { moved: [], busy: [id] }, 'not answered yet')
    const seen = lanes.find((each) => each.lane === lane)
    assert.ok(seen)
    const [quiet] = await store.coordination.quiet(ownership.workerId, [held])
    assert.deepEqual([quiet?.fence, quiet?.quietFor, (quiet?.holdLeft ?? 0) > 0], [seen.fence + 1, 1, true])
    assert.deepEqual(await store.coordination.quiet(ownership.workerId, [held]), [], 'the old fence is over')
    const stale = { ...ownership, fences: new Map([[lane, seen.fence]]) }
    const { lost } = await store.relay.settle(stale, [outcome.park({ id, lane })])
    assert.deepEqual(lost, [id], 'a statement that runs late does nothing')
    assert.deepEqual(await store.admin.move([id], CANCEL, holds), { moved: [id], busy: [] })
    const after = await laneOf(store, lane)
    assert.equal(after.holdLeft, null, 'the move ends the hold')
    assert.equal(after.attention, seen.attention + 1)
    assert.equal((await read(store, id)).generation, 1)
  }),
  it('hold: lanes without a live owner, parked events and settled ones need none', async ({ store }) => {
    const free = await insertOne(store)
    assert.deepEqual(await store.admin.move([free.id], CANCEL, []), { moved: [free.id], busy: [] })
    const { workerId, record } = await own(store)
    const [parked, failed, left] = await insertAll(store, { delay: 60_000 }, {}, {})
    await record(outcome.failed(failed, { error: 'no' }))
    const ids = [parked.id, failed.id, left.id]
    const { moved, busy } = await store.admin.move(ids, CANCEL, [])
    assert.deepEqual([moved.toSorted(), busy], [[parked.id, failed.id].toSorted(), [left.id]])
    await store.coordination.leave(workerId)
    assert.deepEqual(await store.admin.move([left.id], CANCEL, []), { moved: [left.id], busy: [] })
  }),
  it('move: makes the lanes of a backend that no worker has entered, so that a first one comes before or after', async (fixture) => {
    const { store } = fixture
    const { id } = await insertOne(store, { publisherBackend: 'nobody' })
    assert.deepEqual((await store.coordination.look(['nobody'])).lanes, [])
    assert.deepEqual(await store.admin.move([id], CANCEL, []), { moved: [id], busy: [] })
    const { lanes } = await store.coordination.look(['nobody'])
    assert.ok(lanes.length > 0)
    assert.ok(lanes.every(({ owner, fence }) => owner === null && fence === 0))
    const { lanes: owned } = await own(store, { backend: 'nobody' })
    assert.equal(owned.length, lanes.length, 'all of them, and a worker takes them')
  }),
  it('hold: one that another operator renewed, or that was lifted or is over, counts no more', async ({ store }) => {
    const { workerId } = await own(store)
    const { id, lane } = await insertOne(store)
    const first = await store.admin.hold([id], LONG_HOLD)
    const second = await store.admin.hold([id], LONG_HOLD)
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
  }),
  it('quiet: an answer that runs late does not answer a hold that came after it', async ({ store }) => {
    const { workerId } = await own(store)
    const { id, lane } = await insertOne(store)
    const first = await store.admin.hold([id], LONG_HOLD)
    const asked = await laneOf(store, lane)
    await store.admin.lift(first)
    const second = await store.admin.hold([id], LONG_HOLD)
    const [late] = await store.coordination.quiet(workerId, [asked])
    assert.deepEqual([late?.fence, late?.hold, late?.quietFor], [asked.fence + 1, 2, -1])
    const early = await store.admin.move([id], CANCEL, second)
    assert.deepEqual(early, { moved: [], busy: [id] }, 'the owner may be sending it')
    await answerHolds(store, second)
    const again = { ...(await laneOf(store, lane)), hold: 1 }
    const [kept] = await store.coordination.quiet(workerId, [again])
    assert.equal(kept?.quietFor, 2, 'what was answered stays answered')
    assert.deepEqual(await store.admin.move([id], CANCEL, second), { moved: [id], busy: [] })
  }),
  it('hold: what was answered before a hold ended says nothing under one that began since, until that is answered', async (fixture) => {
    const { store } = fixture
    const { workerId } = await own(store)
    for (const ending of ['lift', 'move', 'over'] as const) {
      const key = { partitionKey: ending }
      const [{ id: mine, lane }, { id: other }] = await insertAll(store, key, key)
      const duration = ending === 'over' ? 0 : LONG_HOLD
      const first = await store.admin.hold([mine], duration)
      const second = await store.admin.hold([other], duration)
      await answerHolds(store, second)
      if (ending === 'lift') await store.admin.lift(second)
      if (ending === 'move') assert.deepEqual((await store.admin.move([other], CANCEL, second)).moved, [other])
      const ended = await laneOf(store, lane)
      assert.equal(ended.holdLeft, null, `${ending}: the owner reads again`)
      const third = await store.admin.hold([mine], LONG_HOLD)
      const unanswered = { moved: [], busy: [mine] }
      assert.deepEqual(await store.admin.move([mine], CANCEL, first), unanswered, `${ending}: it may be sending it`)
      await store.coordination.quiet(workerId, [ended])
      assert.deepEqual(await store.admin.move([mine], CANCEL, first), unanswered, `${ending}: that answer ran late`)
      const held = await laneOf(store, lane)
      assert.ok(held.hold > held.quietFor, `${ending}: the owner has yet to answer`)
      await answerHolds(store, third)
      assert.deepEqual(await store.admin.move([mine], CANCEL, first), { moved: [mine], busy: [] }, ending)
      assert.ok((await laneOf(store, lane)).holdLeft !== null, `${ending}: the third stands`)
      await store.admin.lift(third)
    }
  }),
  it('hold: a deletion that came too late spares what was published meanwhile', async ({ store }) => {
    const { record } = await own(store)
    const { id, lane } = await insertOne(store)
    const holds = await store.admin.hold([id], LONG_HOLD)
    await record(outcome.published({ id, lane }))
    await answerHolds(store, holds)
    const late = await store.admin.move([id], { kind: 'delete', published: false }, holds)
    assert.deepEqual(late, { moved: [], busy: [] })
    assert.deepEqual((await store.admin.move([id], { kind: 'delete', published: true }, [])).moved, [id])
  }),
  it('reconcile: what waited for an event between retries that is gone comes back; what is scheduled does not', async (fixture) => {
    const { store } = fixture
    const { record } = await own(store)
    const delay = 3_600_000
    const [key, otherKey] = [{ partitionKey: 'k' }, { partitionKey: 'other' }]
    const rows = await insertAll(store, key, key, key, otherKey, otherKey, { ...key, delay })
    const [head, one, two, otherHead, otherOne] = rows
    await record(
      outcome.retry(head, { delay }),
      outcome.retry(otherHead, { delay }),
      ...[one, two].map((row) => outcome.park(row, { delay, behind: head.id })),
      outcome.park(otherOne, { delay, behind: otherHead.id }),
    )
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
    assert.deepEqual(idsOf(hot), [head.id, one.id, two.id])
  }),
]
