import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { skipWithoutPrograms, startMariadb } from '../faults/database-process.ts'
import { recordingBackend } from '../relay/outbox.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { connectTo, type Other } from './other-connection.ts'

/** Each fault is planted in a real database, found by `status`, and mended by what the finding says. */

const broadcasterOn = (store: Store): Broadcaster => new Broadcaster({ store, backends: { main: recordingBackend() } })

async function finding(store: Store, code: string, options = {}) {
  const { findings } = await broadcasterOn(store).status(options)
  return findings.filter((one) => one.code === code)
}

/** Of a connection of another library each, whose answers differ. */
async function numberOf(other: Other, sql: string): Promise<number> {
  const answer = (await other.run(`SELECT ${sql} AS n`)) as { rows?: { n: number }[] } & { n: number }[][]
  return Number((answer.rows?.[0] ?? answer[0]?.[0])?.n)
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 100; n++) {
    if (await holds()) return
    await sleep(100)
  }
  assert.fail('it never held')
}

/** As `look` takes it: its names are qualified there. */
const plain = (sql: string): string =>
  sql
    .replaceAll('"', '')
    .replace(/place_\w+\.outbox_/, 'outbox_')
    .replace(/;$/, '')

const DROPS = {
  postgres: ['DROP INDEX outbox_events_hot', 'DROP INDEX outbox_events_troubled'],
  mariadb: ['DROP INDEX outbox_events_work ON outbox_events'],
  mysql: ['DROP INDEX outbox_events_work ON outbox_events'],
  sqlite: ['DROP INDEX outbox_events_hot', 'DROP INDEX outbox_events_parked'],
}

for (const { name, server, open } of PLACED_STORES) {
  const skip = server ? skipWithout(server) : false
  describe(`what doctor finds on ${name}`, { skip }, () => {
    test('an index of ours that is missing, though nothing can be looked at without it', async (t) => {
      const { store, look, close } = await open()
      t.after(close)
      await store.schema.migrate({ lanes: 4 })
      assert.deepEqual(await finding(store, 'index-missing'), [])
      for (const sql of DROPS[name]) await look(sql)
      const found = await finding(store, 'index-missing')
      assert.equal(found.length, DROPS[name].length)
      for (const { level, fix } of found) assert.deepEqual([level, fix], ['wrong', 'migrate'])
      await store.schema.migrate()
      assert.deepEqual(await finding(store, 'index-missing'), [])
    })

    test('a transaction that somebody keeps open, and its end', {
      skip: name === 'sqlite' ? 'SQLite tells nobody of open transactions' : false,
    }, async (t) => {
      const { store, place, look, close } = await open()
      t.after(close)
      await store.schema.migrate({ lanes: 4 })
      const other = await connectTo(place)
      // Released before the tables are dropped, which waits for it when something here fails.
      await using released = new AsyncDisposableStack()
      released.defer(() => other.end().catch(() => undefined))
      const pid = await numberOf(other, name === 'postgres' ? 'pg_backend_pid()' : 'CONNECTION_ID()')
      const ours = async (maxTransaction: number) =>
        (await finding(store, 'long-transaction', { maxTransaction })).find(({ cure }) => cure?.includes(`${pid}`))
      await other.run('BEGIN')
      await other.run('UPDATE outbox_settings SET lanes = lanes + 1')
      await sleep(300)
      assert.equal(await ours(3_600_000), undefined)
      const told = await ours(200)
      assert.equal(told?.level, 'advice')
      await look(/or: (.*);$/.exec(told?.cure ?? '')?.[1] ?? '')
      await until(async () => (await ours(200)) === undefined)
    })
  })
}

const skip = skipWithout('postgres')
const place = PLACED_STORES.find(({ name }) => name === 'postgres')

test('PostgreSQL: autovacuum that is off, and dead rows', { skip }, async (t) => {
  if (place === undefined) throw new Error('no PostgreSQL')
  const { store, look, close } = await place.open()
  t.after(close)
  await store.schema.migrate()
  await look('ALTER TABLE outbox_events SET (autovacuum_enabled = off)')
  await using broadcaster = new Broadcaster({ store, backends: { main: recordingBackend() } })
  const event = { type: 'a', source: '/s' }
  await broadcaster.transaction((tx) =>
    broadcaster.publishMany(
      tx,
      Array.from({ length: 21_000 }, () => event),
    ),
  )
  assert.deepEqual(await finding(store, 'dead-rows'), [])
  await look('DELETE FROM outbox_events')
  // The server counts them a moment later.
  await until(async () => (await finding(store, 'dead-rows')).length > 0)
  const dead = await finding(store, 'dead-rows')
  assert.match(dead[0]?.message ?? '', /^about 21,000 dead rows beside 0 live ones, never cleaned/)
  const cure = /^(VACUUM .*); \(/.exec(dead[0]?.cure ?? '')?.[1] ?? ''
  await look(plain(cure))
  await until(async () => (await finding(store, 'dead-rows')).length === 0)

  const [off] = await finding(store, 'autovacuum-off')
  await look(plain(off?.cure ?? ''))
  // The server itself may have it off.
  assert.ok((await finding(store, 'autovacuum-off')).every(({ cure }) => !cure?.includes('RESET')))
})

test('PostgreSQL: a server that takes no writes', { skip }, async (t) => {
  if (place === undefined) throw new Error('no PostgreSQL')
  const placed = await place.open()
  t.after(placed.close)
  await placed.store.schema.migrate()
  assert.deepEqual(await finding(placed.store, 'server-read-only'), [])
  const { schema } = placed.place as { schema: string }
  const options = '-c default_transaction_read_only=on'
  const pool = new Pool({ connectionString: servers.postgres()?.url, options })
  t.after(() => pool.end())
  const [found] = await finding(postgres({ pool, schema }) as Store, 'server-read-only')
  assert.equal(found?.level, 'wrong')
})

test('MariaDB: a server that takes no writes', { skip: skipWithoutPrograms('mariadb') }, async (t) => {
  const own = await startMariadb([])
  t.after(() => own.close())
  const store = mysql({ url: `mysql://root@127.0.0.1:${own.port}/test` }) as Store
  t.after(() => store.close())
  const other = await connectTo({ kind: 'mysql', url: `mysql://root@127.0.0.1:${own.port}/mysql` })
  t.after(() => other.end())
  await other.run('CREATE DATABASE IF NOT EXISTS test')
  await store.schema.migrate()
  assert.deepEqual(await finding(store, 'server-read-only'), [])
  await other.run('SET GLOBAL read_only = 1')
  assert.equal((await finding(store, 'server-read-only'))[0]?.level, 'wrong')
})
