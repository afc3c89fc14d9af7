import assert from 'node:assert/strict'
import { BroadcasterError } from '../../errors.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, unmigrated } from './fixture.ts'
import { assertColumns, insertOne } from './steps.ts'

/** Migrations. */
export const schemaCases: readonly StoreCase[] = [
  it('schema: a migrated outbox is up to date, and migrating again changes nothing', async ({ store }) => {
    const status = await store.schema.status()
    assert.equal(status.version, status.latest)
    assert.deepEqual(status.pending, [])
    assert.ok(status.lanes !== null && status.lanes >= 4)
    await insertOne(store)
    assert.deepEqual(await store.schema.migrate({ lanes: status.lanes + 1 }), status)
    assert.deepEqual(await store.schema.check(), status)
    assert.equal(await store.admin.count([]), 1)
    assert.equal(typeof store.schema.print(), 'string')
  }),
  unmigrated(
    'schema: nothing is made unless asked, and the number of lanes is fixed at the first migration',
    async (store) => {
      const before = await store.schema.status()
      assertColumns(before, { version: 0, lanes: null })
      assert.equal(before.pending.length, before.latest)
      assert.ok(before.latest >= 1)
      await assert.rejects(
        store.schema.check(),
        (error) => error instanceof BroadcasterError && error.code === 'SCHEMA_MISSING',
      )
      assert.equal((await store.schema.status()).version, 0, 'looking changes nothing')
      assert.match(store.schema.print(), /create table/i)
      assert.equal(store.schema.print({ from: before.latest }).match(/create table/i), null)
      const after = await store.schema.migrate({ lanes: 7 })
      assertColumns(after, { version: after.latest, lanes: 7 })
      assert.equal((await store.schema.migrate({ lanes: 9 })).lanes, 7)
      await insertOne(store)
    },
  ),
  unmigrated('schema: several that migrate at once end with one outbox', async (store) => {
    const results = await Promise.all([store.schema.migrate(), store.schema.migrate(), store.schema.migrate()])
    for (const result of results) assert.equal(result.version, result.latest)
    await store.schema.check()
  }),
]
