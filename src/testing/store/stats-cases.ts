import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { insert, insertOne, newEvent, own } from './steps.ts'

/** Numbers for people and monitors. */
export const statsCases: readonly StoreCase[] = [
  {
    name: 'stats: counts by backend what waits, and why',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(
        store,
        newEvent({ partitionKey: 'k' }), // will block its key
        newEvent({ partitionKey: 'k' }), // behind it
        newEvent({ partitionKey: 'k' }), // behind it
        newEvent({ partitionKey: 'l' }), // will fail without blocking
        newEvent({ partitionKey: 'm' }), // between retries
        newEvent({ partitionKey: 'm' }), // behind that retry
        newEvent(), // published
        newEvent(), // due
        newEvent(), // being sent
        newEvent({ delay: 3_600_000 }), // scheduled
        newEvent({ publisherBackend: 'other', delay: 3_600_000 }),
      )
      const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? -1 })
      const failed = { kind: 'failed', generation: 0, retryCount: 3, error: 'bad' } as const
      const { lost } = await store.relay.settle(ownership, [
        { ...failed, ...at(0), blocks: true },
        { kind: 'park', generation: 0, ...at(1), delay: null },
        { kind: 'park', generation: 0, ...at(2), delay: null },
        { ...failed, ...at(3), blocks: false },
        { kind: 'retry', generation: 0, ...at(4), retryCount: 1, delay: 60_000, error: 'no' },
        { kind: 'park', generation: 0, ...at(5), delay: 60_000 },
        { kind: 'published', generation: 0, ...at(6) },
        { kind: 'sending', generation: 0, ...at(8), retryCount: 1 },
      ])
      assert.deepEqual(lost, [])
      const stats = await store.admin.stats()
      const { oldestPendingAge, ...here } = stats.backends.find((each) => each.backend === 'default') ?? {}
      assert.deepEqual(here, {
        backend: 'default',
        pending: 2,
        parked: 5,
        blocked: 2,
        retrying: 1,
        failed: 2,
        blockedKeys: 1,
      })
      assert.ok(typeof oldestPendingAge === 'number' && oldestPendingAge >= 0 && oldestPendingAge < 60_000)
      assert.deepEqual(
        stats.backends.find((each) => each.backend === 'other'),
        {
          backend: 'other',
          pending: 0,
          parked: 1,
          blocked: 0,
          retrying: 0,
          failed: 0,
          blockedKeys: 0,
          oldestPendingAge: null,
        },
      )
      if (!stats.totalRowsIsEstimate) assert.equal(stats.totalRows, rows.length)
    },
  },
  {
    name: 'waitingNames: the backends of what is due or parked, and of nothing else',
    async run({ store }) {
      assert.deepEqual(await store.relay.waitingNames(10), [])
      const { ownership } = await own(store)
      const [done] = await insert(
        store,
        newEvent(),
        newEvent({ publisherBackend: '' }),
        newEvent({ publisherBackend: '' }),
        newEvent({ publisherBackend: 'due' }),
        newEvent({ publisherBackend: 'due' }),
        newEvent({ publisherBackend: 'due', delay: 3_600_000 }),
        newEvent({ publisherBackend: 'later', delay: 3_600_000 }),
      )
      const { id = '', lane = -1 } = done ?? {}
      await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id, lane }])
      assert.deepEqual([...(await store.relay.waitingNames(10))].sort(), ['', 'due', 'later'])
      assert.equal((await store.relay.waitingNames(2)).length, 2)
    },
  },
  {
    name: 'stats: a backend that workers know has its line, though it has nothing to do',
    async run({ store }) {
      const { ownership } = await own(store)
      const nothing = {
        pending: 0,
        parked: 0,
        blocked: 0,
        retrying: 0,
        failed: 0,
        blockedKeys: 0,
        oldestPendingAge: null,
      }
      const known = [{ backend: 'default', ...nothing }]
      assert.deepEqual((await store.admin.stats()).backends, known)
      const { id, lane } = await insertOne(store)
      await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id, lane }])
      assert.deepEqual((await store.admin.stats()).backends, known)
    },
  },
  {
    name: 'stats: what waits behind a retry is parked and not retrying, and only what could go has an age',
    async run({ store }) {
      const { ownership } = await own(store)
      const rows = await insert(
        store,
        newEvent({ partitionKey: 'k' }),
        newEvent({ partitionKey: 'k' }),
        newEvent({ partitionKey: 'k' }),
      )
      const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? -1, generation: 0 })
      const [head] = rows
      const behind = { behind: head?.id ?? '', delay: 60_000 }
      await store.relay.settle(ownership, [
        { kind: 'retry', ...at(0), retryCount: 1, delay: 60_000, error: 'no' },
        { kind: 'park', ...at(1), ...behind },
        { kind: 'park', ...at(2), ...behind },
      ])
      const waits = { backend: 'default', parked: 3, blocked: 0, retrying: 1, failed: 0, blockedKeys: 0 }
      assert.deepEqual((await store.admin.stats()).backends, [{ ...waits, pending: 0, oldestPendingAge: null }])
      await insert(store, newEvent())
      const [{ oldestPendingAge, ...stats } = { oldestPendingAge: null }] = (await store.admin.stats()).backends
      assert.deepEqual(stats, { ...waits, pending: 1 })
      assert.ok(oldestPendingAge !== null && oldestPendingAge >= 0 && oldestPendingAge < 60_000)
    },
  },
  {
    name: 'stats: an empty outbox',
    async run({ store }) {
      const stats = await store.admin.stats()
      assert.deepEqual(
        stats.backends.filter((each) => each.pending + each.parked + each.failed > 0),
        [],
      )
      if (!stats.totalRowsIsEstimate) assert.equal(stats.totalRows, 0)
    },
  },
]
