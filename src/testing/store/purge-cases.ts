import assert from 'node:assert/strict'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { outcome } from './sample-outcomes.ts'
import { deleteNow, insertAll, insertOne, laneOf, list, moveNow, own, until } from './steps.ts'

async function fill(store: Store): Promise<void> {
  const { record } = await own(store)
  const [failed, cancelled, retry, , ...published] = await insertAll(store, {}, {}, {}, {}, {}, {}, {}, {})
  await record(
    ...published.map((row) => outcome.published(row)),
    outcome.failed(failed, { blocks: false }),
    outcome.retry(retry),
  )
  await moveNow(store, [cancelled.id], { kind: 'cancel' })
  // The database's clock has moved on when a new row says so.
  const [{ updatedAt } = {}] = await list(store, ['updatedAt'], { order: [{ column: 'updatedAt', descending: true }] })
  await until('time has passed', async () => {
    const { id, createdAt } = await insertOne(store, { publisherBackend: 'clock' })
    await deleteNow(store, id)
    return updatedAt && createdAt.getTime() > updatedAt.getTime()
  })
}

/** Retention. */
export const purgeCases: readonly StoreCase[] = [
  it('purge: deletes what is old enough, of the kinds asked for, up to the limit', async ({ store }) => {
    await fill(store)
    const hour = 3_600_000
    assert.equal(await store.retention.purge({ publishedFor: hour, failedFor: hour, limit: 100 }), 0)
    assert.equal(await store.retention.purge({ publishedFor: null, failedFor: null, limit: 100 }), 0)
    assert.equal(await store.retention.purge({ publishedFor: 0, failedFor: hour, limit: 3 }), 3)
    assert.equal(await store.retention.purge({ publishedFor: 0, failedFor: hour, limit: 3 }), 1)
    assert.equal(await store.retention.purge({ publishedFor: 0, failedFor: null, limit: 3 }), 0)
    assert.equal(await store.admin.count([]), 4)
    assert.equal(await store.retention.purge({ publishedFor: null, failedFor: 0, limit: 100 }), 2)
    assert.deepEqual((await list(store, ['status'])).map((row) => row.status).toSorted(), ['pending', 'retry'])
  }),
  it('purge: a failed event that blocked its key is missed: the owner of its lane is told', async ({ store }) => {
    const { record } = await own(store)
    const row = await insertOne(store, { partitionKey: 'k' })
    await record(outcome.failed(row))
    const { attention } = await laneOf(store, row.lane)
    await until(
      'it is old enough',
      async () => (await store.retention.purge({ publishedFor: null, failedFor: 0, limit: 10 })) === 1,
    )
    assert.ok((await laneOf(store, row.lane)).attention > attention)
  }),
]
