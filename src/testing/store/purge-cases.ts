import assert from 'node:assert/strict'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { deleteNow, insert, insertOne, laneOf, moveNow, newEvent, own, until } from './steps.ts'

async function fill(store: Store): Promise<void> {
  const { ownership } = await own(store)
  const rows = await insert(store, ...Array.from({ length: 8 }, () => newEvent()))
  const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? -1 })
  await store.relay.settle(ownership, [
    ...[0, 1, 2, 3].map((n) => ({ kind: 'published', generation: 0, ...at(n) }) as const),
    { kind: 'failed', generation: 0, ...at(4), retryCount: 1, blocks: false, error: 'bad' },
    { kind: 'retry', generation: 0, ...at(6), retryCount: 1, delay: 60_000, error: 'no' },
  ])
  await moveNow(store, [at(5).id], { kind: 'cancel' })
  // The database's clock has moved on when a new row says so.
  const { updatedAt } = (
    await store.admin.list({
      where: [],
      order: [{ column: 'updatedAt', descending: true }],
      limit: 1,
      offset: 0,
      columns: ['updatedAt'],
    })
  )[0] ?? { updatedAt: new Date() }
  await until('time has passed', async () => {
    const { id, createdAt } = await insertOne(store, { publisherBackend: 'clock' })
    await deleteNow(store, id)
    return updatedAt && createdAt.getTime() > updatedAt.getTime()
  })
}

/** Retention. */
export const purgeCases: readonly StoreCase[] = [
  {
    name: 'purge: deletes what is old enough, of the kinds asked for, up to the limit',
    async run({ store }) {
      await fill(store)
      const hour = 3_600_000
      assert.equal(await store.relay.purge({ publishedFor: hour, failedFor: hour, limit: 100 }), 0)
      assert.equal(await store.relay.purge({ publishedFor: null, failedFor: null, limit: 100 }), 0)
      assert.equal(await store.relay.purge({ publishedFor: 0, failedFor: hour, limit: 3 }), 3)
      assert.equal(await store.relay.purge({ publishedFor: 0, failedFor: hour, limit: 3 }), 1)
      assert.equal(await store.relay.purge({ publishedFor: 0, failedFor: null, limit: 3 }), 0)
      assert.equal(await store.admin.count([]), 4)
      assert.equal(await store.relay.purge({ publishedFor: null, failedFor: 0, limit: 100 }), 2)
      const left = await store.admin.list({ where: [], order: [], limit: null, offset: 0, columns: ['status'] })
      assert.deepEqual(left.map((row) => row.status).toSorted(), ['pending', 'retry'])
    },
  },
  {
    name: 'purge: a failed event that blocked its key is missed: the owner of its lane is told',
    async run({ store }) {
      const { ownership } = await own(store)
      const row = await insertOne(store, { partitionKey: 'k' })
      await store.relay.settle(ownership, [
        { kind: 'failed', generation: 0, id: row.id, lane: row.lane, retryCount: 1, blocks: true, error: 'bad' },
      ])
      const { attention } = await laneOf(store, row.lane)
      await until(
        'it is old enough',
        async () => (await store.relay.purge({ publishedFor: null, failedFor: 0, limit: 10 })) === 1,
      )
      assert.ok((await laneOf(store, row.lane)).attention > attention)
    },
  },
]
