import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryBackend } from '../../src/memory.ts'
import type { Client } from '../../src/store/postgres/client.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Tables } from '../../src/store/postgres/tables.ts'
import { writers } from '../../src/store/postgres/writers.ts'
import type { Store } from '../../src/store/store.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './postgres-place.ts'

test('is not told while a prepared transaction may have that had another name before', async () => {
  const answer = { server: '1', running: '["-1/7"]', renamed: 'true', drawn: '5' }
  const query = async () => [answer]
  const t = { events: '"outbox_events"' } as Tables
  assert.equal(await writers({ query } as unknown as Client, t)(), undefined)
  answer.renamed = 'false'
  assert.deepEqual((await writers({ query } as unknown as Client, t)())?.running, new Set(['-1/7']))
})

for (const { name, title } of POSTGRES_SERVERS) {
  describe(`who may have written, on ${title}`, { skip: skipWithout(name) }, () => {
    test('is whose transaction has published and runs, and nobody else; the last number is that of the sequence', async (t) => {
      const { pool, schema, close } = openPlace(servers[name]()?.url ?? '')
      const store = postgres({ pool, schema, listen: false }) as Store
      await store.schema.migrate({ lanes: 2 })
      const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() } })
      const client = await pool.connect()
      t.after(async () => {
        client.release(true)
        await broadcaster.close()
        await close()
      })
      const told = async () => {
        const { server, running, drawn } = (await store.relay.writers?.()) ?? {}
        return { server, running: [...(running ?? [])], drawn }
      }
      const before = await told()
      assert.deepEqual([before.running, before.drawn], [[], 0])
      await client.query(`BEGIN; CREATE TABLE ${schema}.other (id int); SELECT FROM ${schema}.outbox_events`)
      assert.deepEqual(await told(), before)
      await broadcaster.publish(client, { type: 'a', source: '/x' })
      const during = await told()
      assert.deepEqual([during.server, during.running.length, during.drawn], [before.server, 1, 1])
      await client.query('COMMIT')
      assert.deepEqual(await told(), { ...during, running: [] })
      await pool.query(`INSERT INTO ${schema}.outbox_events (event_type, source, seq) VALUES ('a', 'b', 9000000000)`)
      assert.equal((await told()).drawn, 1, 'a number given by hand says nothing')
      await pool.query(`TRUNCATE ${schema}.outbox_events RESTART IDENTITY`)
      assert.equal((await told()).drawn, 0, 'it is not one that is not told')
      await pool.query(`ALTER SEQUENCE ${schema}.outbox_events_seq_seq CACHE 20`)
      assert.equal(await store.relay.writers?.(), undefined, 'numbers that a session keeps are drawn, but not written')
    })
  })
}
