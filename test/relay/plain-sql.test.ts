import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { purgeNow } from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { TestOutbox } from './outbox.ts'

const KEYED = 'partition_key IS NOT NULL'

for (const kind of PLACED_STORES) {
  const skip = kind.server === undefined ? false : skipWithout(kind.server)
  describe(`what plain SQL does on ${kind.name}`, { skip }, () => {
    for (const [what, sql] of [
      ['requeued', `UPDATE outbox_events SET status = 'pending', available_at = NULL WHERE status = 'failed'`],
      ['cancelled', `UPDATE outbox_events SET status = 'cancelled', available_at = NULL WHERE status = 'failed'`],
      ['deleted', `DELETE FROM outbox_events WHERE status = 'failed' AND ${KEYED}`],
    ] as const) {
      test(`the head of a blocked key is ${what}: what waited goes on, in order, within reconcileInterval`, async () => {
        const { store, look, close } = await kind.open()
        await store.schema.migrate()
        {
          await using outbox = new TestOutbox({}, store)
          let refuse = true
          outbox.backend.behaviour = () => (refuse ? notDelivered(new Error('no')) : delivered)
          await outbox.publish(['k', 'k', 'k'], { maxRetries: 1 })
          await outbox.broadcaster.worker({ pollInterval: 50, reconcileInterval: 1_500 }).start()
          await outbox.until(() => outbox.heard('event.blocked').length === 2)
          refuse = false
          await look(sql)
          await outbox.publish(['k'])
          await outbox.until(() => outbox.heard('event.published').length === (what === 'requeued' ? 4 : 3))
          const seqs = outbox.backend.received.map(({ seq }) => seq ?? 0)
          assert.deepEqual(
            seqs,
            seqs.toSorted((a, b) => a - b),
          )
        }
        await store.close()
        await close()
      })
    }

    test('rows with the least and the greatest seq are sent, and the events beside them as soon as ever', async () => {
      const { store, look, close } = await kind.open()
      await store.schema.migrate()
      {
        await using outbox = new TestOutbox({}, store)
        await outbox.publish(['least', 'zero', 'great', 'greatest'])
        const seqs = kind.server === 'mariadb' || kind.server === 'mysql' ? [1, 0] : [-5, 0]
        for (const [key, seq] of [
          ['least', seqs[0]],
          ['zero', seqs[1]],
          ['great', '9007199254740995'],
          ['greatest', '9223372036854775806'],
        ]) {
          await look(`UPDATE outbox_events SET seq = ${seq} WHERE partition_key = '${key}'`)
        }
        await outbox.broadcaster.worker({ pollInterval: 50 }).start()
        await outbox.until(() => outbox.heard('event.published').length === 4)
        // Reads by the cursor, which has passed the greatest, as soon as they follow each other without a rest.
        for (let n = 1; n <= 40; n++) {
          await look(
            `INSERT INTO outbox_events (event_type, source, publisher_backend, seq${kind.server ? '' : ', id, lane'}) VALUES ('test.happened', '/test', 'main', ${100 + n}${kind.server ? '' : `, '${randomUUID().replaceAll('-', '')}', ${n % 64}`})`,
          )
        }
        await outbox.until(() => outbox.heard('event.published').length === 44)
        assert.deepEqual(outbox.heard('worker.error'), [])
        assert.equal(await purgeNow(store, { published: 0 }), 44)
      }
      await store.close()
      await close()
    })

    test('an event that waits for its time is due at once by both columns of its time', async () => {
      const { store, look, close } = await kind.open()
      await store.schema.migrate()
      {
        await using outbox = new TestOutbox({}, store)
        await outbox.publish([null, 'k'], { delay: 3_600_000 })
        await outbox.broadcaster.worker({ pollInterval: 50, reconcileInterval: 1_500 }).start()
        await look('UPDATE outbox_events SET scheduled_at = created_at, available_at = NULL')
        await outbox.until(() => outbox.heard('event.published').length === 2)
      }
      await store.close()
      await close()
    })

    test('an event that all handlers have handled is pending again: it is handled again', async () => {
      const { store, look, close } = await kind.open()
      await store.schema.migrate()
      {
        let calls = 0
        const registry = new HandlerRegistry()
        registry.on('test.happened', async () => {
          calls++
        })
        await using outbox = new TestOutbox({ local: handlers(registry) }, store)
        await outbox.publish(['k'], { backend: 'local' })
        await outbox.broadcaster.worker({ pollInterval: 50 }).start()
        await outbox.until(() => outbox.heard('event.published').length === 1)
        await look(`UPDATE outbox_events SET status = 'pending' WHERE ${KEYED}`)
        await outbox.until(() => outbox.heard('event.published').length === 2)
        assert.equal(calls, 2)
      }
      await store.close()
      await close()
    })
  })
}
