import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import { fetchedIds, idsOf, insertAll, insertIn, insertOne, list, moveNow, newEvent, own, read } from './steps.ts'

/** `settle` without history: what was delivered is deleted, by the same rules as what is marked published. */
export const eraseCases: readonly StoreCase[] = [
  it('settle: what is published and not kept is gone, beside what is kept and what failed', async ({ store }) => {
    const { ownership, record } = await own(store)
    const rows = await insertAll(store, {}, {}, {}, {}, {})
    const [plain, withProgress, kept, failed, waiting] = rows
    await record(
      outcome.published(plain, { erase: true }),
      outcome.published(withProgress, { erase: true, progress: '{"done":[1]}' }),
      outcome.published(kept),
      outcome.failed(failed),
    )
    const left = await list(store, ['id'])
    assert.deepEqual(idsOf(left).toSorted(), idsOf([kept, failed, waiting]).toSorted())
    assert.deepEqual(await fetchedIds(store), [waiting.id])
    await record(outcome.published(waiting, { erase: true }))
    const again = [plain, waiting].map((row) => outcome.published(row, { erase: true }))
    const { lost } = await store.relay.settle(ownership, again)
    assert.deepEqual(lost.toSorted(), idsOf([plain, waiting]).toSorted(), 'what is gone already is lost')
  }),
  it('settle: what an operator has moved since is not erased', async ({ store }) => {
    const { ownership, record } = await own(store)
    const [cancelled, requeued, published] = await insertAll(store, {}, {}, {})
    await record(outcome.failed(requeued), outcome.published(published))
    await moveNow(store, [cancelled.id], { kind: 'cancel' })
    await moveNow(store, [requeued.id], { kind: 'requeue' })
    const rows = [cancelled, requeued, published]
    const late = rows.map((row) => outcome.published(row, { erase: true }))
    const { lost } = await store.relay.settle(ownership, late)
    assert.deepEqual(lost.toSorted(), idsOf(rows).toSorted())
    for (const one of late) {
      assert.deepEqual((await store.relay.settle(ownership, [one])).lost, [one.id], 'alone')
      assert.equal((await store.relay.settleInTransaction(ownership, async () => one)).recorded, false)
    }
    assert.equal((await read(store, cancelled.id)).status, 'cancelled')
    await record(outcome.published(requeued, { erase: true, generation: 1 }))
    assert.deepEqual(idsOf(await list(store, ['id'])).toSorted(), idsOf([cancelled, published]).toSorted())
  }),
  it('settleInTransaction: what is not kept goes with what the work wrote, and stays where the lane is lost', async ({
    store,
  }) => {
    const before = await own(store)
    const [first, second] = await insertAll(store, {}, {})
    const written = newEvent()
    const erasing = (ownership: typeof before.ownership, { id, lane }: typeof first, more = newEvent()) =>
      store.relay.settleInTransaction(ownership, async (tx) => {
        await insertIn(store, tx, [more])
        return outcome.published({ id, lane }, { erase: true })
      })
    assert.equal((await erasing(before.ownership, first, written)).recorded, true)
    assert.deepEqual(await fetchedIds(store), [second.id, written.id])
    const after = await own(store)
    assert.equal((await erasing(before.ownership, second)).recorded, false)
    assert.equal((await erasing(after.ownership, second)).recorded, true)
    assert.equal((await list(store, ['id'])).length, 2, 'the written one of each that was recorded')
  }),
  it('settle: an id that was not kept may be published again', async ({ store }) => {
    const { record } = await own(store)
    const row = await insertOne(store)
    await record(outcome.published(row, { erase: true }))
    const again = await insertOne(store, { id: row.id })
    assert.equal(again.id, row.id)
    assert.deepEqual(await fetchedIds(store), [row.id])
  }),
]
