import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { RetryAfterError } from '../../src/backend/send-error.ts'
import { connectTo } from '../store/other-connection.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  const skip = kind.server ? skipWithout(kind.server) : false
  describe(`a row that somebody has locked while it is about to be parked: ${kind.name}`, { skip }, () => {
    test('keeps waiting its own key alone, and its key in order', async (t) => {
      const { store, place, close } = await kind.open()
      t.after(close)
      // All in one lane, so that nothing but the key tells them apart.
      await store.schema.migrate({ lanes: 1 })
      const other = await connectTo(place)
      t.after(() => other.end())
      await using outbox = new TestOutbox({}, store)
      const { backend } = outbox
      let refused = 0
      backend.behaviour = ({ partitionKey, data }) => {
        if (partitionKey !== 'k' || data !== 1 || refused > 0) return delivered
        refused++
        return notDelivered(new RetryAfterError('later', { retryAfter: 3_000 }))
      }
      const publish = async (key: string, data: number) =>
        outbox.broadcaster.transaction((tx) =>
          outbox.broadcaster.publish(tx, { type: 'a', source: '/x', partitionKey: key, data }),
        )
      await publish('k', 1)
      const second = await publish('k', 2)
      // Released before the outbox is closed, or that waits for it when something here fails.
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      await other.run('BEGIN')
      const stored = kind.name === 'postgres' ? second.id : second.id.replaceAll('-', '')
      await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.retried').length === 1)
      await publish('k', 3)
      await publish('elsewhere', 1)
      await outbox.until(() => dataOf(backend.received, 'elsewhere').length === 1, 'one of another key')
      // The first comes back and goes, while the second is locked still.
      await outbox.until(() => dataOf(backend.received, 'k').length > 0, 'the retry')
      await publish('k', 4)
      await publish('elsewhere', 2)
      await outbox.until(() => dataOf(backend.received, 'elsewhere').length === 2, 'another of another key')
      await other.run('COMMIT')
      await outbox.until(() => dataOf(backend.received, 'k').length >= 4, 'the rest of the key')
      assert.deepEqual(dataOf(backend.received, 'k'), [1, 2, 3, 4])
    })
  })
}
