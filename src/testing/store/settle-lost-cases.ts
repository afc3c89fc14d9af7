import assert from 'node:assert/strict'
import type { Outcome } from '../../store/relay-store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { guardedOutcomes } from './settle-cases.ts'
import { deleteNow, fetchAll, insert, moveNow, newEvent, own, read } from './steps.ts'

/** `settle`: what it must not record, and reports as lost. */
export const settleLostCases: readonly StoreCase[] = [
  {
    name: 'settle: what is settled already, or gone, is reported lost',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(store, newEvent(), newEvent(), newEvent())
      const [published, cancelled, deleted] = rows
      assert.ok(published && cancelled && deleted)
      await store.relay.settle(ownership, [
        { kind: 'published', generation: 0, id: published.id, lane: published.lane },
      ])
      await moveNow(store, [cancelled.id], { kind: 'cancel' })
      await deleteNow(store, deleted.id)
      for (const index of [0, 1, 2, 3, 4]) {
        const outcomes = rows.flatMap(({ id, lane }) => guardedOutcomes({ id, lane })[index] ?? [])
        const { lost } = await store.relay.settle(ownership, outcomes)
        assert.deepEqual(lost.toSorted(), rows.map((row) => row.id).toSorted())
      }
      const again = await store.relay.settle(ownership, [
        { kind: 'published', generation: 0, id: published.id, lane: published.lane },
        { kind: 'published', generation: 0, id: deleted.id, lane: deleted.lane },
      ])
      assert.deepEqual(again.lost.toSorted(), [published.id, deleted.id].toSorted())
      for (const generation of [0, 1]) {
        const late = await store.relay.settle(ownership, [
          { kind: 'published', generation, id: cancelled.id, lane: cancelled.lane },
        ])
        assert.deepEqual(late.lost, [cancelled.id], 'what was cancelled stays cancelled')
      }
      assert.equal((await read(store, cancelled.id)).status, 'cancelled')
    },
  },
  {
    name: 'settle: an outcome of an attempt from before an operator moved the event is lost',
    async run({ store }) {
      const { ownership } = await own(store)
      const [replayed, requeued] = await insert(store, newEvent(), newEvent())
      assert.ok(replayed && requeued)
      await store.relay.settle(ownership, [
        { kind: 'published', generation: 0, id: replayed.id, lane: replayed.lane },
        {
          kind: 'failed',
          generation: 0,
          id: requeued.id,
          lane: requeued.lane,
          retryCount: 1,
          blocks: true,
          error: 'no',
        },
      ])
      await moveNow(store, [replayed.id], { kind: 'replay' })
      await moveNow(store, [requeued.id], { kind: 'requeue' })
      for (const row of [replayed, requeued]) {
        const { id, lane } = row
        const before = await read(store, id)
        assert.equal(before.generation, 1)
        const late: readonly Outcome[] = [
          { kind: 'published', generation: 0, id, lane },
          { kind: 'published', generation: 0, id, lane, progress: '{}' },
          ...guardedOutcomes({ id, lane }),
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
        const { lost } = await store.relay.settle(ownership, [{ kind: 'published', generation: 1, id, lane }])
        assert.deepEqual(lost, [])
        assert.equal((await read(store, id)).status, 'published')
      }
    },
  },
  {
    name: 'settle: two workers that race record an outcome once',
    requires: 'another',
    async run({ store, another }) {
      const second = await another?.()
      assert.ok(second)
      try {
        const { ownership } = await own(store)
        const rows = await insert(store, ...Array.from({ length: 50 }, () => newEvent()))
        const outcomes = rows.map(({ id, lane }): Outcome => ({ kind: 'published', generation: 0, id, lane }))
        const reports = await Promise.all([
          store.relay.settle(ownership, outcomes),
          second.relay.settle(ownership, outcomes.toReversed()),
        ])
        const lost = reports.flatMap((report) => report.lost)
        assert.deepEqual(lost.toSorted(), rows.map((row) => row.id).toSorted())
      } finally {
        await second.close()
      }
    },
  },
]
