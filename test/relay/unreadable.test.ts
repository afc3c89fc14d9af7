import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

const STORES = [
  {
    name: 'memory',
    server: undefined,
    open: async () => ({ store: memoryStore({ lanes: 1 }) as Store, close: async () => {} }),
  },
  ...PLACED_STORES,
]

for (const { name, server, open } of STORES) {
  describe(`an event whose data cannot be read in the time of a statement: ${name}`, {
    skip: server ? skipWithout(server) : false,
  }, () => {
    test('fails alone and with its retries, and keeps nothing else of its lane waiting', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await store.schema.migrate({ lanes: 1 })
      let tooLarge = ''
      const relay = {
        ...store.relay,
        fetchData: async (...[rows, bytes]: Parameters<Store['relay']['fetchData']>) => {
          if (rows.some(({ id }) => id === tooLarge))
            throw new BroadcasterError('STORE_UNAVAILABLE', 'the server did not answer within 8000 ms')
          return store.relay.fetchData(rows, bytes)
        },
      }
      await using outbox = new TestOutbox({}, { ...store, relay })
      const large = 'x'.repeat(40_000)
      const publish = (key: string, data: unknown, maxRetries?: number) =>
        outbox.broadcaster.transaction((tx) =>
          outbox.broadcaster.publish(
            tx,
            { type: 'a', source: '/s', partitionKey: key, data },
            maxRetries === undefined ? {} : { maxRetries },
          ),
        )
      await publish('before', 1)
      tooLarge = (await publish('large', large, 1)).id
      for (let n = 0; n < 30; n++) await publish(`k${n % 3}`, n % 5 === 0 ? large : n)
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 31, 'all others')
      await outbox.until(() => outbox.heard('event.failed').length === 1, 'the one that cannot be read')
      const [failed] = outbox.heard('event.failed')
      assert.equal(failed?.record.id, tooLarge)
      assert.match(failed?.record.lastError ?? '', /its data could not be read: .*did not answer within 8000 ms/)
      assert.equal(outbox.heard('event.retried').length, 1)
      assert.equal(outbox.heard('backend.down').length, 0)
      assert.deepEqual(
        dataOf(outbox.backend.received, 'k1').map((data) => (data === large ? 'large' : data)),
        [1, 4, 7, 'large', 13, 16, 19, 22, 'large', 28],
      )
    })
  })
}
