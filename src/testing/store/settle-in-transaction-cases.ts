import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { RolledBackError } from './roll-back.ts'
import { outcome } from './sample-outcomes.ts'
import { assertColumns, fetchedIds, insertIn, insertOne, newEvent, own, read } from './steps.ts'

/** The write of a handler and the settle share one transaction: both, or neither. */
export const settleInTransactionCases: readonly StoreCase[] = [
  it('settleInTransaction: published commits with what the work wrote', async ({ store }) => {
    const { ownership } = await own(store)
    const { id, lane } = await insertOne(store)
    const written = newEvent()
    const result = await store.relay.settleInTransaction(ownership, async (tx) => {
      await insertIn(store, tx, [written])
      return outcome.published({ id, lane }, { progress: '{"ok":true}' })
    })
    assert.equal(result.recorded, true)
    assert.equal(result.outcome?.kind, 'published')
    const stored = await read(store, id)
    assertColumns(stored, { status: 'published', progress: '{"ok":true}' })
    assert.ok(stored.publishedAt)
    assert.deepEqual(await fetchedIds(store), [written.id])
  }),
  it('settleInTransaction: any other outcome rolls back and is handed on, not recorded', async ({ store }) => {
    const { ownership } = await own(store)
    const { id, lane } = await insertOne(store)
    const refusal = outcome.retry({ id, lane }, { delay: 1000 })
    const refused = await store.relay.settleInTransaction(ownership, async (tx) => {
      await insertIn(store, tx, [newEvent()])
      return refusal
    })
    assert.deepEqual(refused, { outcome: refusal, recorded: false })
    const none = await store.relay.settleInTransaction(ownership, async (tx) => {
      await insertIn(store, tx, [newEvent()])
      return undefined
    })
    assert.deepEqual(none, { outcome: undefined, recorded: false })
    assert.equal(await store.admin.count([]), 1)
    assert.equal((await read(store, id)).status, 'pending')
  }),
  it('settleInTransaction: work that throws rolls back and throws', async ({ store }) => {
    const { ownership } = await own(store)
    await insertOne(store)
    await assert.rejects(
      store.relay.settleInTransaction(ownership, async (tx) => {
        await insertIn(store, tx, [newEvent()])
        throw new RolledBackError()
      }),
      RolledBackError,
    )
    assert.equal(await store.admin.count([]), 1)
    await insertOne(store)
    assert.equal(await store.admin.count([]), 2, 'the store goes on')
  }),
  it('settleInTransaction: nothing commits after the lane was lost, or when the event is settled already', async (fixture) => {
    const { store } = fixture
    const before = await own(store)
    const { id, lane } = await insertOne(store)
    const after = await own(store)
    const attempt = (ownership: typeof before.ownership) =>
      store.relay.settleInTransaction(ownership, async (tx) => {
        await insertIn(store, tx, [newEvent()])
        return outcome.published({ id, lane })
      })
    assert.equal((await attempt(before.ownership)).recorded, false)
    assert.equal(await store.admin.count([]), 1)
    assert.equal((await read(store, id)).status, 'pending')
    assert.equal((await attempt(after.ownership)).recorded, true)
    assert.equal(await store.admin.count([]), 2)
    assert.equal((await attempt(after.ownership)).recorded, false)
    assert.equal(await store.admin.count([]), 2)
  }),
]
