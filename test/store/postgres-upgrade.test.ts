import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { MIGRATIONS } from '../../src/store/postgres/schema/migrations.ts'
import { schema as schemaOf } from '../../src/store/postgres/schema/schema.ts'
import { tablesOf } from '../../src/store/postgres/tables.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { clientsOf, openPlace, type Place } from './postgres-place.ts'

const FAR = '9999-12-31 00:00:00+00'

/** From a schema that was in use to the one of now, while it is in use. */
describe('an upgrade of PostgreSQL', { skip: skipWithout('postgres') }, () => {
  const before = MIGRATIONS.filter(({ version }) => version <= 10)

  const withOld = async (work: (place: Place, insert: (row: Row) => Promise<string>) => Promise<void>) => {
    const place = openPlace(servers.postgres()?.url ?? '', 12)
    try {
      await schemaOf(clientsOf(place.pool), tablesOf('outbox_events', place.schema), before).migrate({ lanes: 8 })
      await work(place, (row) => insert(place, row))
    } finally {
      await place.close()
    }
  }

  test('lets publishers pass while a transaction keeps it from a table, and goes on afterwards', () =>
    withOld(async (place, insert) => {
      const { pool, schema } = place
      const holder = await pool.connect()
      await holder.query('BEGIN')
      await holder.query(`LOCK TABLE ${schema}.outbox_events IN ROW EXCLUSIVE MODE`)
      const migrating = postgres({ pool, schema }).schema.migrate()
      const waits = async () =>
        (
          await pool.query(`SELECT FROM pg_locks WHERE relation = $1::regclass AND NOT granted`, [
            `${schema}.outbox_events`,
          ])
        ).rowCount
      while ((await waits()) === 0) await setTimeout(5)
      const passes = insert({}).then(() => true)
      // Without a limit of its own the migration would wait as long as the transaction, and publishers behind it.
      const inTime = await Promise.race([passes, setTimeout(20_000, false, { ref: false })])
      await holder.query('COMMIT')
      holder.release()
      assert.equal((await migrating).version, MIGRATIONS.length)
      await passes
      assert.ok(inTime, 'a publisher passed while the migration waited')
    }))

  test('loses nothing of any state and nothing that is published meanwhile', () =>
    withOld(async ({ pool, schema }, insert) => {
      const due = [await insert({}), await insert({ status: 'retry' }), await insert({ partition_key: 'free' })]
      const stays = [
        await insert({ scheduled_at: new Date(Date.now() + 86_400_000) }),
        await insert({ status: 'retry', available_at: new Date(Date.now() + 86_400_000), partition_key: 'later' }),
        await insert({ status: 'failed' }),
        await insert({ status: 'failed', available_at: FAR, partition_key: 'held' }),
        await insert({ available_at: FAR, partition_key: 'held' }),
        await insert({ status: 'published', published_at: new Date() }),
        await insert({ status: 'cancelled' }),
        await insert({ status: 'published', published_at: new Date(), event_id: 'mine' }),
      ]
      const text = `SELECT id, status, available_at, scheduled_at, published_at, retry_count, event_id FROM ${schema}.outbox_events WHERE id = ANY ($1) ORDER BY id`
      const found = (await pool.query(text, [stays])).rows
      let isOver = false
      let longest = 0
      const publishers = [1, 2, 3].map(async () => {
        while (!isOver) {
          const start = performance.now()
          due.push(await insert({ partition_key: `k${due.length % 10}` }))
          longest = Math.max(longest, performance.now() - start)
        }
      })
      const store = postgres({ pool, schema })
      const backend = memoryBackend()
      const broadcaster = new Broadcaster({ store, backends: { main: backend }, logger: false })
      const worker = broadcaster.worker({ pollInterval: 50, retention: false })
      // A worker of this version says what it needs, and changes nothing.
      await assert.rejects(worker.start(), { code: 'SCHEMA_OUTDATED' })
      assert.equal((await store.schema.migrate()).version, MIGRATIONS.length)
      const next = broadcaster.worker({ pollInterval: 50, retention: false })
      await next.start()
      await setTimeout(300)
      isOver = true
      await Promise.all(publishers)
      const left = `SELECT FROM ${schema}.outbox_events WHERE id = ANY ($1) AND status <> 'published'`
      while ((await pool.query(left, [due])).rowCount !== 0) await setTimeout(20)
      await next.stop()
      assert.deepEqual(backend.events.map(({ id }) => id).toSorted(), due.toSorted())
      assert.deepEqual((await pool.query(text, [stays])).rows, found)
      await broadcaster.close()
      console.log(`    ${due.length} events meanwhile, the longest INSERT took ${longest.toFixed(0)} ms`)
    }))
})

type Row = Readonly<Record<string, unknown>>

async function insert({ pool, schema }: Place, row: Row): Promise<string> {
  const all = { id: randomUUID(), event_type: 'a.b', source: '/s', publisher_backend: 'main', data: '1', ...row }
  const names = Object.keys(all)
  await pool.query(
    `INSERT INTO ${schema}.outbox_events (${names.join(', ')}) VALUES (${names.map((_, n) => `$${n + 1}`).join(', ')})`,
    Object.values(all),
  )
  return all.id
}
