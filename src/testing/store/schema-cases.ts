import assert from 'node:assert/strict'
import { BroadcasterError } from '../../errors.ts'
import type { StoreCase } from '../store-conformance.ts'
import { insertOne } from './steps.ts'

/** Migrations. */
export const schemaCases: readonly StoreCase[] = [
  {
    name: 'schema: a migrated outbox is up to date, and migrating again changes nothing',
    async run({ store }) {
      const status = await store.schema.status()
      assert.equal(status.version, status.latest)
      assert.deepEqual(status.pending, [])
      assert.ok(status.lanes !== null && status.lanes >= 4)
      await insertOne(store)
      assert.deepEqual(await store.schema.migrate({ lanes: status.lanes + 1 }), status)
      assert.deepEqual(await store.schema.check(), status)
      assert.equal(await store.admin.count([]), 1)
      assert.equal(typeof store.schema.print(), 'string')
    },
  },
  {
    name: 'schema: nothing is made unless asked, and the number of lanes is fixed at the first migration',
    requires: 'unmigrated',
    async run({ unmigrated }) {
      const store = await unmigrated?.()
      assert.ok(store)
      try {
        const before = await store.schema.status()
        assert.equal(before.version, 0)
        assert.equal(before.lanes, null)
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
        assert.equal(after.version, after.latest)
        assert.equal(after.lanes, 7)
        assert.equal((await store.schema.migrate({ lanes: 9 })).lanes, 7)
        await insertOne(store)
      } finally {
        await store.close()
      }
    },
  },
  {
    name: 'schema: several that migrate at once end with one outbox',
    requires: 'unmigrated',
    async run({ unmigrated }) {
      const store = await unmigrated?.()
      assert.ok(store)
      try {
        const results = await Promise.all([store.schema.migrate(), store.schema.migrate(), store.schema.migrate()])
        for (const result of results) assert.equal(result.version, result.latest)
        await store.schema.check()
      } finally {
        await store.close()
      }
    },
  },
]
