import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { fetchAll, insertIn, insertOne, newEvent, own, RolledBack, read } from './steps.ts'

/** The write of a handler and the settle share one transaction: both, or neither. */
export const settleInTransactionCases: readonly StoreCase[] = [
  {
    name: 'settleInTransaction: published commits with what the work wrote',
    async run({ store }) {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      const written = newEvent()
      const result = await store.relay.settleInTransaction(ownership, async (tx) => {
        await insertIn(store, tx, [written])
        return { kind: 'published', generation: 0, id, lane, progress: '{"ok":true}' }
      })
      assert.equal(result.recorded, true)
      assert.equal(result.outcome?.kind, 'published')
      const stored = await read(store, id)
      assert.equal(stored.status, 'published')
      assert.equal(stored.progress, '{"ok":true}')
      assert.ok(stored.publishedAt)
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.id),
        [written.id],
      )
    },
  },
  {
    name: 'settleInTransaction: any other outcome rolls back and is handed on, not recorded',
    async run({ store }) {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      const outcome = { kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 1000, error: 'no' } as const
      const refused = await store.relay.settleInTransaction(ownership, async (tx) => {
        await insertIn(store, tx, [newEvent()])
        return outcome
      })
      assert.deepEqual(refused, { outcome, recorded: false })
      const none = await store.relay.settleInTransaction(ownership, async (tx) => {
        await insertIn(store, tx, [newEvent()])
        return undefined
      })
      assert.deepEqual(none, { outcome: undefined, recorded: false })
      assert.equal(await store.admin.count([]), 1)
      assert.equal((await read(store, id)).status, 'pending')
    },
  },
  {
    name: 'settleInTransaction: work that throws rolls back and throws',
    async run({ store }) {
      const { ownership } = await own(store)
      await insertOne(store)
      await assert.rejects(
        store.relay.settleInTransaction(ownership, async (tx) => {
          await insertIn(store, tx, [newEvent()])
          throw new RolledBack()
        }),
        RolledBack,
      )
      assert.equal(await store.admin.count([]), 1)
      await insertOne(store)
      assert.equal(await store.admin.count([]), 2, 'the store goes on')
    },
  },
  {
    name: 'settleInTransaction: nothing commits after the lane was lost, or when the event is settled already',
    async run({ store }) {
      const before = await own(store)
      const { id, lane } = await insertOne(store)
      const after = await own(store)
      const attempt = (ownership: typeof before.ownership) =>
        store.relay.settleInTransaction(ownership, async (tx) => {
          await insertIn(store, tx, [newEvent()])
          return { kind: 'published', generation: 0, id, lane }
        })
      assert.equal((await attempt(before.ownership)).recorded, false)
      assert.equal(await store.admin.count([]), 1)
      assert.equal((await read(store, id)).status, 'pending')
      assert.equal((await attempt(after.ownership)).recorded, true)
      assert.equal(await store.admin.count([]), 2)
      assert.equal((await attempt(after.ownership)).recorded, false)
      assert.equal(await store.admin.count([]), 2)
    },
  },
]
