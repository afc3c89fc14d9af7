import assert from 'node:assert/strict'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { insertOne } from './steps.ts'

/** What the tables take up. */
export const sizeCases: readonly StoreCase[] = [
  it('sizes: each table with its indexes, the largest first', async ({ store }) => {
    if (store.schema.sizes === undefined) return
    await insertOne(store)
    const tables = (await store.schema.sizes()) ?? []
    const bytes = tables.map((table) => table.bytes)
    assert.deepEqual(
      bytes,
      bytes.toSorted((a, b) => b - a),
    )
    const events = tables.find(({ name }) => name.endsWith('_events'))
    assert.ok(events && events.bytes > 0, JSON.stringify(tables))
    assert.ok(events.indexBytes !== null && events.indexBytes > 0 && events.indexBytes < events.bytes)
    assert.ok(
      events.indexes.length === 0 || events.indexes.some(({ name }) => /identity|pkey|autoindex|PRIMARY/.test(name)),
    )
    for (const suffix of ['_inbox', '_lanes', '_audit'])
      assert.ok(
        tables.some(({ name }) => name.endsWith(suffix)),
        suffix,
      )
  }),
]
