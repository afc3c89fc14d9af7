import assert from 'node:assert/strict'
import type { Outcome } from '../../store/relay-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, ofTwo } from './fixture.ts'
import { guardedOutcomes, outcome } from './sample-outcomes.ts'
import {
  deleteNow,
  fetchAll,
  fetchedIds,
  idsOf,
  insert,
  insertAll,
  insertOne,
  moveNow,
  NAMES,
  newEvent,
  own,
  read,
} from './steps.ts'

/** `settle`: what it must not record, and reports as lost. */
export const settleLostCases: readonly StoreCase[] = [
  it('settle: what is settled already, or gone, is reported lost', async ({ store }) => {
    const { ownership, record } = await own(store)
    const rows = await insertAll(store, {}, {}, {})
    const [published, cancelled, deleted] = rows
    await record(outcome.published(published))
    await moveNow(store, [cancelled.id], { kind: 'cancel' })
    await deleteNow(store, deleted.id)
    for (const index of [0, 1, 2, 3, 4]) {
      const outcomes = rows.flatMap((row) => guardedOutcomes(row)[index] ?? [])
      const { lost } = await store.relay.settle(ownership, outcomes)
      assert.deepEqual(lost.toSorted(), idsOf(rows).toSorted())
    }
    const again = await store.relay.settle(ownership, [outcome.published(published), outcome.published(deleted)])
    assert.deepEqual(again.lost.toSorted(), [published.id, deleted.id].toSorted())
    for (const generation of [0, 1]) {
      for (const published of [
        outcome.published(cancelled, { generation }),
        outcome.published(cancelled, { generation, progress: '{}' }),
      ]) {
        const late = await store.relay.settle(ownership, [published])
        assert.deepEqual(late.lost, [cancelled.id], 'what was cancelled stays cancelled')
        const inTransaction = await store.relay.settleInTransaction(ownership, async () => published)
        assert.equal(inTransaction.recorded, false)
      }
    }
    assert.equal((await read(store, cancelled.id)).status, 'cancelled')
  }),
  it('settle: an outcome of an attempt from before an operator moved the event is lost', async ({ store }) => {
    const { ownership, record } = await own(store)
    const [replayed, requeued] = await insertAll(store, {}, {})
    await record(outcome.published(replayed), outcome.failed(requeued, { error: 'no' }))
    await moveNow(store, [replayed.id], { kind: 'replay' })
    await moveNow(store, [requeued.id], { kind: 'requeue' })
    for (const row of [replayed, requeued]) {
      const { id } = row
      const before = await read(store, id)
      assert.equal(before.generation, 1)
      const late: readonly Outcome[] = [
        outcome.published(row),
        outcome.published(row, { progress: '{}' }),
        ...guardedOutcomes(row),
      ]
      for (const outcome of late) {
        const { lost } = await store.relay.settle(ownership, [outcome])
        assert.deepEqual(lost, [id], `${outcome.kind} of the attempt before the move`)
      }
      const inTransaction = await store.relay.settleInTransaction(ownership, async () => late[0])
      assert.equal(inTransaction.recorded, false)
      assert.deepEqual(await read(store, id), before)
      const fetched = (await fetchAll(store)).find((each) => each.id === id)
      assert.equal(fetched?.generation, 1, 'fetch tells the generation')
      await record(outcome.published(row, { generation: 1 }))
      assert.equal((await read(store, id)).status, 'published')
    }
  }),
  it('settle: every move makes the outcome of an attempt from before it a lost one', async ({ store }) => {
    const { ownership, record } = await own(store)
    const at = new Date(Date.now() + 3_600_000)
    for (const [move, before] of [
      [{ kind: 'requeue' }, 'failed'],
      [{ kind: 'replay' }, 'published'],
      [{ kind: 'skip' }, 'failed'],
      [{ kind: 'cancel' }, 'failed'],
      [{ kind: 'markPublished' }, 'failed'],
      [{ kind: 'markFailed', error: 'no' }, 'pending'],
      [{ kind: 'incrementRetry', error: 'no', delay: 60_000 }, 'pending'],
      [{ kind: 'reschedule', at }, 'pending'],
    ] as const) {
      const row = await insertOne(store, { partitionKey: move.kind })
      if (before !== 'pending') await record(outcome[before](row))
      assert.deepEqual(await moveNow(store, [row.id], move), [row.id], move.kind)
      const after = await read(store, row.id)
      assert.equal(after.generation, 1, move.kind)
      const { lost } = await store.relay.settle(ownership, [outcome.published(row)])
      assert.deepEqual(lost, [row.id], move.kind)
      assert.deepEqual(await read(store, row.id), after, move.kind)
    }
  }),
  it('settle: a mark before or after a send that runs late, when the event is parked, is lost', async ({ store }) => {
    const { ownership, record } = await own(store)
    const key = { partitionKey: 'k' }
    const [retried, behind, last] = await insertAll(store, key, key, key)
    const delay = 3_600_000
    await record(outcome.retry(retried, { delay }), outcome.park(behind, { delay, behind: retried.id }))
    for (const row of [retried, behind]) {
      const before = await read(store, row.id)
      for (const kind of ['sending', 'returned'] as const) {
        const marks = [row, last].map((each) => outcome[kind](each, { retryCount: 0 }))
        const report = await store.relay.settle(ownership, marks)
        assert.deepEqual(report, { lost: [row.id], busy: [] }, kind)
        assert.deepEqual(await read(store, row.id), before)
      }
    }
    const heads = await store.relay.reconcile(NAMES, [retried.lane])
    assert.deepEqual(idsOf(heads), [retried.id], 'the head still holds its key')
    assert.deepEqual(await fetchedIds(store), [last.id])
  }),
  ofTwo('settle: two workers that race record an outcome once', async (store, second) => {
    const { ownership } = await own(store)
    const rows = await insert(store, ...Array.from({ length: 50 }, () => newEvent()))
    const outcomes = rows.map(({ id, lane }): Outcome => outcome.published({ id, lane }))
    const reports = await Promise.all([
      store.relay.settle(ownership, outcomes),
      second.relay.settle(ownership, outcomes.toReversed()),
    ])
    const lost = reports.flatMap((report) => report.lost)
    assert.deepEqual(lost.toSorted(), idsOf(rows).toSorted())
  }),
]
