import assert from 'node:assert/strict'
import { STATUSES } from '../../record/status.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import {
  allLanes,
  assertColumns,
  fetchedIds,
  insert,
  insertAll,
  insertOne,
  LONG_HOLD,
  laneOf,
  list,
  moveNow,
  NAMES,
  newEvent,
  own,
  read,
} from './steps.ts'

/** What becomes of an event when a corrected one takes its place. */
export const correctCases: readonly StoreCase[] = [
  it('correct: takes what was not delivered, cancels it, and stores the new event as publish would', async ({
    store,
  }) => {
    const { record } = await own(store)
    const rows = await insert(store, ...STATUSES.map((status) => newEvent({ partitionKey: status })))
    const [pending, retry, processing, published, failed, cancelled] = (
      ['pending', 'retry', 'processing', 'published', 'failed', 'cancelled'] as const
    ).map((status) => rows[STATUSES.indexOf(status)] ?? assert.fail(status))
    assert.ok(pending && retry && processing && published && failed && cancelled)
    await record(
      outcome.sending(processing),
      outcome.published(published),
      outcome.failed(failed),
      outcome.retry(retry),
    )
    await moveNow(store, [cancelled.id], { kind: 'cancel' })
    for (const old of [pending, retry, processing, failed]) {
      const row = newEvent({
        ...{ partitionKey: (await read(store, old.id)).partitionKey, data: '{"größer":12345678901234567890}' },
        ...{ subject: 'né ☂', extensions: `{"correctionof":"${old.id}"}`, maxRetries: 7 },
      })
      const before = await read(store, old.id)
      assert.deepEqual(await moveNow(store, [old.id], { kind: 'correct', row }), [old.id])
      assertColumns(await read(store, old.id), {
        ...{ status: 'cancelled', availableAt: null, generation: before.generation + 1, data: before.data },
      })
      const stored = await read(store, row.id)
      assertColumns(stored, {
        ...{ status: 'pending', seq: old.seq, lane: old.lane, availableAt: null, retryCount: 0, generation: 0 },
        ...{ partitionKey: row.partitionKey, subject: row.subject, extensions: row.extensions, maxRetries: 7 },
      })
      assert.equal(stored.data?.replaceAll(' ', ''), row.data)
      assert.ok(stored.scheduledAt.getTime() <= stored.updatedAt.getTime(), 'due now')
    }
    for (const old of [published, cancelled]) {
      const row = newEvent()
      const before = await read(store, old.id)
      assert.deepEqual(await moveNow(store, [old.id], { kind: 'correct', row }), [])
      assert.deepEqual(await read(store, old.id), before)
      assert.deepEqual(await list(store, ['id'], { where: [{ column: 'id', op: 'eq', value: row.id }] }), [])
    }
  }),
  it('correct: bytes come as they are', async ({ store }) => {
    const old = await insertOne(store, { partitionKey: 'k' })
    const row = newEvent({ partitionKey: 'k', data: null, dataBinary: Uint8Array.of(0, 1, 39, 92, 255) })
    assert.deepEqual(await moveNow(store, [old.id], { kind: 'correct', row }), [old.id])
    assert.deepEqual((await read(store, row.id)).dataBinary, row.dataBinary)
  }),
  it('correct: the new event is read where the old one would have been', async ({ store }) => {
    const [first, old, last] = await insertAll(
      store,
      ...([{ partitionKey: 'k' }, { partitionKey: 'k' }, { partitionKey: 'k' }] as const),
    )
    const row = newEvent({ partitionKey: 'k' })
    await moveNow(store, [old.id], { kind: 'correct', row })
    assert.deepEqual(await fetchedIds(store), [first.id, row.id, last.id])
    // And once more, at the same place.
    const next = newEvent({ partitionKey: 'k' })
    await moveNow(store, [row.id], { kind: 'correct', row: next })
    assert.deepEqual(await fetchedIds(store), [first.id, next.id, last.id])
    const seqs = (await list(store, ['seq'])).map(({ seq }) => seq)
    assert.equal(new Set(seqs).size, 5, 'each row has a number of its own')
    assert.ok(seqs.every((seq) => Number(seq) > 0))
  }),
  it('correct: an event without a key, and one for a lane of its own, stay in their lane', async ({ store }) => {
    const old = await insertOne(store, { keyHash: 3 })
    const row = newEvent({ keyHash: 2 })
    await moveNow(store, [old.id], { kind: 'correct', row })
    assertColumns(await read(store, row.id), { lane: old.lane, seq: old.seq })
  }),
  it('correct: what waited behind a failed event is released, and comes behind the new one', async ({ store }) => {
    const { record } = await own(store)
    const [old, second, third] = await insertAll(
      store,
      ...([{ partitionKey: 'k' }, { partitionKey: 'k' }, { partitionKey: 'k' }] as const),
    )
    await record(outcome.failed(old), outcome.park(second), outcome.park(third))
    const row = newEvent({ partitionKey: 'k' })
    await moveNow(store, [old.id], { kind: 'correct', row })
    assert.deepEqual(await store.relay.reconcile(NAMES, await allLanes(store)), [], 'nothing holds the key')
    assert.deepEqual(await fetchedIds(store), [row.id, second.id, third.id])
  }),
  it('correct: one scheduled for later stays so; one between retries is due now', async ({ store }) => {
    const { record } = await own(store)
    const at = new Date('2400-05-06T07:08:09.123Z')
    const [later, retrying] = await insertAll(store, { scheduledAt: at }, { partitionKey: 'k' })
    await record(outcome.retry(retrying, { delay: 3_600_000 }))
    const [scheduled, due] = [newEvent(), newEvent({ partitionKey: 'k' })]
    await moveNow(store, [later.id], { kind: 'correct', row: scheduled })
    await moveNow(store, [retrying.id], { kind: 'correct', row: due })
    assertColumns(await read(store, scheduled.id), { scheduledAt: at, availableAt: at })
    assert.deepEqual(await fetchedIds(store), [due.id])
  }),
  it('correct: not while a worker may be sending it; and then its lane gets attention', async ({ store }) => {
    await own(store)
    const old = await insertOne(store, { partitionKey: 'k' })
    const row = newEvent({ partitionKey: 'k' })
    const { attention } = await laneOf(store, old.lane)
    assert.deepEqual(await store.admin.move([old.id], { kind: 'correct', row }, []), { moved: [], busy: [old.id] })
    await store.admin.lift(await store.admin.hold([old.id], LONG_HOLD))
    assert.equal((await list(store, ['id'])).length, 1)
    assert.deepEqual(await moveNow(store, [old.id], { kind: 'correct', row }), [old.id])
    assert.ok((await laneOf(store, old.lane)).attention > attention)
  }),
  it('correct: an attempt from before it records nothing', async ({ store }) => {
    const { record, ownership } = await own(store)
    const old = await insertOne(store, { partitionKey: 'k' })
    await record(outcome.retry(old, { delay: 3_600_000 }))
    const row = newEvent({ partitionKey: 'k' })
    assert.deepEqual(await moveNow(store, [old.id], { kind: 'correct', row }), [old.id])
    assert.deepEqual((await store.relay.settle(ownership, [outcome.published(old)])).lost, [old.id])
    assertColumns(await read(store, old.id), { status: 'cancelled' })
  }),
]
