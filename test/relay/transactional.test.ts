import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import pg from 'pg'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { TestOutbox } from './outbox.ts'

/** A store with a table `effects`, and how a handler writes to it and a test reads it. */
interface Place extends AsyncDisposable {
  readonly store: Store
  write(tx: unknown, text: string): Promise<void> | void
  read(): Promise<readonly string[]>
}

async function sqlitePlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-transactional-'))
  const store = sqlite({ path: join(folder, 'outbox.db') })
  await store.schema.migrate()
  type Database = { prepare(sql: string): { run(...values: string[]): unknown; all(): { text: string }[] } }
  await store.transaction(async (tx) => {
    ;(tx as unknown as Database).prepare('CREATE TABLE effects (text TEXT)').run()
  })
  return {
    store: store as Store,
    write: (tx, text) => void (tx as Database).prepare('INSERT INTO effects VALUES (?)').run(text),
    read: () =>
      store.transaction(async (tx) =>
        (tx as unknown as Database)
          .prepare('SELECT text FROM effects ORDER BY rowid')
          .all()
          .map((row) => row.text),
      ),
    [Symbol.asyncDispose]: async () => {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function postgresPlace(): Promise<Place> {
  const schema = `transactional_${process.pid}`
  const pool = new pg.Pool({ connectionString: servers.postgres()?.url, max: 6 })
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`)
  await pool.query(`CREATE TABLE ${schema}.effects (n bigserial, text text)`)
  const store = postgres({ pool, schema })
  await store.schema.migrate()
  return {
    store: store as Store,
    async write(tx, text) {
      await (tx as pg.PoolClient).query(`INSERT INTO ${schema}.effects (text) VALUES ($1)`, [text])
    },
    async read() {
      return (await pool.query(`SELECT text FROM ${schema}.effects ORDER BY n`)).rows.map((row) => row.text)
    },
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

for (const [name, skip, open] of [
  ['SQLite', false, sqlitePlace],
  ['PostgreSQL', skipWithout('postgres'), postgresPlace],
] as const) {
  describe(`handlers in the store's transaction, ${name}`, { skip }, () => {
    test('what a handler wrote commits with the settle; after a failure neither is there', async () => {
      await using place = await open()
      let failures = 2
      const registry = new HandlerRegistry().on('*', async (event, { tx }) => {
        await place.write(tx, `${event.partitionKey} ${event.data}`)
        if (event.data === 1 && failures-- > 0) throw new Error('after the write')
      })
      await using outbox = new TestOutbox({ local: handlers(registry, { transactional: true }) }, place.store)
      await outbox.publish(['a', 'a', 'b'], { backend: 'local' })
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 3)
      assert.deepEqual([...(await place.read())].sort(), ['a 1', 'a 2', 'b 3'])
      assert.equal(outbox.heard('event.retried').length, 2)
      assert.equal(await outbox.broadcaster.events.filter({ status: 'published' }).count(), 3)
    })

    // SQLite has one writer at a time, so there nobody can take a lane while the handler's transaction is open.
    if (name === 'SQLite') return
    test('a worker that lost its lane while a handler ran commits nothing, and the next one does', async () => {
      await using place = await open()
      const { coordination } = place.store
      let stolen = false
      const registry = new HandlerRegistry().on('*', async (event, { tx }) => {
        if (!stolen) {
          stolen = true
          // Another worker takes every lane in the middle of the handler, as after a long pause of this process.
          const thief = await coordination.enter({ name: 'thief', backends: ['local'], lease: 60_000 })
          const { lanes } = await coordination.survey(['local'])
          assert.equal((await coordination.claim(thief, lanes)).length, lanes.length)
          await coordination.renew(thief, 300)
        }
        await place.write(tx, `${event.data}`)
      })
      await using outbox = new TestOutbox({ local: handlers(registry, { transactional: true }) }, place.store)
      await outbox.publish(['a'], { backend: 'local' })
      await outbox.broadcaster.worker({ lease: 4_000 }).start()
      await outbox.until(() => outbox.heard('event.published').length === 1)
      assert.deepEqual(await place.read(), ['1'])
      assert.equal(await outbox.broadcaster.events.filter({ retryCount: { gt: 0 } }).count(), 0)
    })
  })
}
