import assert from 'node:assert/strict'
import { test } from 'node:test'
import { insertChunks } from '../../src/store/insert-rows.ts'
import { newEvent } from '../../src/testing/store/steps.ts'
import { publisherOn } from '../support/publisher.ts'
import { STORES } from '../support/stores.ts'

const EVENTS = 50
const DATA = 'é'.repeat(200_000)

for (const { name, skip, open } of STORES) {
  test(`${name}: 20 MB of events in one publishMany, more than one statement takes`, { skip }, async () => {
    const { store, close } = await open()
    try {
      const events = Array.from({ length: EVENTS }, (_, n) => ({
        type: 'order.created',
        source: '/orders',
        subject: String(n),
        partitionKey: 'k',
        data: DATA,
      }))
      const published = await store.transaction((tx) => publisherOn(store).publishMany(tx, events))
      assert.deepEqual(
        published.map(({ subject }) => Number(subject)),
        [...events.keys()],
      )
      const seqs = published.map(({ seq }) => seq ?? 0)
      assert.deepEqual(
        seqs,
        seqs.toSorted((a, b) => a - b),
      )
      assert.equal(await store.admin.count([]), EVENTS)
    } finally {
      await close()
    }
  })
}

test('rows are grouped by number and by size, in their order', () => {
  const rows = [10, 10, 5_000, 10, 10, 10].map((length) => newEvent({ data: 'x'.repeat(length) }))
  const sizes = (limits: object) => insertChunks(limits, rows).map((chunk) => chunk.length)
  assert.deepEqual(sizes({}), [6])
  assert.deepEqual(sizes({ rows: 4 }), [4, 2])
  assert.deepEqual(sizes({ bytes: 2_000 }), [2, 1, 3])
  assert.deepEqual(insertChunks({ rows: 2 }, rows).flat(), rows)
  assert.deepEqual(insertChunks({}, []), [])
})
