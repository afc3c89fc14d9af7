import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { PermanentError } from '../../src/backend/send-error.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

const STORES = [
  {
    name: 'memory',
    server: undefined,
    open: async () => ({ store: memoryStore({ lanes: 8 }), close: async () => {} }),
  },
  ...PLACED_STORES,
]

for (const { name, server, open } of STORES) {
  describe(`retention.published: 'delete' on ${name}`, { skip: server ? skipWithout(server) : false }, () => {
    test('leaves nothing of what was delivered, in order, through retries, and all of what was not', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await store.schema.migrate({ lanes: 8 })
      await using outbox = new TestOutbox({}, store)
      const { backend } = outbox
      const tried = new Set<string>()
      backend.behaviour = ({ id, partitionKey, data }) => {
        if (partitionKey === 'bad') return notDelivered(new PermanentError('never'))
        // Each third once more.
        if (Number(data) % 3 > 0 || tried.has(id)) return delivered
        tried.add(id)
        return notDelivered(new Error('not now'))
      }
      // From before: kept so far, and retention's to delete.
      await outbox.publish(['before'])
      await outbox.broadcaster.processPendingEvents()
      assert.equal(await outbox.broadcaster.events.filter({ status: 'published' }).count(), 1)

      const keys = Array.from({ length: 60 }, (_, n) => (n % 10 === 9 ? null : `k${n % 5}`))
      await outbox.publish([...keys, 'bad', 'bad'])
      await outbox.broadcaster.worker({ retention: { published: 'delete', interval: 20 } }).start()
      await outbox.until(() => backend.received.length === 61, 'all that can be delivered')
      await outbox.until(() => outbox.heard('event.published').length === 61, 'all are told')
      await outbox.until(() => outbox.heard('events.purged').length > 0, 'what was kept before')
      for (const key of ['k0', 'k1', 'k2', 'k3', 'k4']) {
        const data = dataOf(backend.received, key).map(Number)
        assert.deepEqual(
          data,
          data.toSorted((a, b) => a - b),
          `the order of ${key}`,
        )
      }
      const left = await outbox.broadcaster.events.all()
      assert.deepEqual(left.map(({ partitionKey, status }) => `${partitionKey} ${status}`).toSorted(), [
        'bad failed',
        'bad pending',
      ])
      const [told] = outbox.heard('event.published').slice(-1)
      assert.equal(told?.record.status, 'published')
      assert.ok(told?.record.publishedAt instanceof Date)
    })
  })
}
