import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { outcome } from '../../src/testing/store/sample-outcomes.ts'
import { fetchAll, own } from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { TestOutbox } from './outbox.ts'

const STORES = [
  {
    name: 'memory',
    server: undefined,
    open: async () => ({ store: memoryStore({ lanes: 8 }), close: async () => {} }),
  },
  ...PLACED_STORES,
]

for (const { name, server, open } of STORES) {
  describe(`events that were in the hands of a worker that died: ${name}`, {
    skip: server ? skipWithout(server) : false,
  }, () => {
    test('go alone, and who is delivered has paid nothing', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await store.schema.migrate({ lanes: 8 })
      await using outbox = new TestOutbox({}, store)
      outbox.backend.behaviour = ({ partitionKey, attempt }) =>
        partitionKey === 'fails' && attempt === 1 ? notDelivered(new Error('no')) : delivered
      await outbox.publish(['a', 'b', 'fails'])
      // As a worker leaves them that dies in the middle of a send: a short lease, and each marked.
      const dead = await own(store, { backend: 'main', lease: 100 })
      const rows = await fetchAll(store, ['main'])
      assert.equal(rows.length, 3)
      await dead.record(...rows.map((row) => outcome.sending(row, { retryCount: 0 })))
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 3, 'all are delivered')
      const counts = (await outbox.broadcaster.events.all()).map(({ partitionKey, retryCount, status }) => [
        partitionKey,
        retryCount,
        status,
      ])
      assert.deepEqual(counts.toSorted(), [
        ['a', 0, 'published'],
        ['b', 0, 'published'],
        // The one answer that was a failure.
        ['fails', 1, 'published'],
      ])
    })
  })
}
