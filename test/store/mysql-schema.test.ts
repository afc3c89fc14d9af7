import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { Pool, RowDataPacket } from 'mysql2/promise'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Migration } from '../../src/store/mysql/schema/migration.ts'
import { MIGRATIONS } from '../../src/store/mysql/schema/migrations.ts'
import { schema } from '../../src/store/mysql/schema/schema.ts'
import { tablesOf } from '../../src/store/mysql/tables.ts'
import type { Store } from '../../src/store/store.ts'
import { fetchAll, insertOne, read } from '../../src/testing/store/steps.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { clientsOf, openPlace } from './mysql-place.ts'

/** The schema as a version of each server tells it. */
const DUMPS = {
  mariadb: { version: '10.11.', file: new URL('./mariadb-schema.sql', import.meta.url) },
  mysql: { version: '8.0.', file: new URL('./mysql-schema.sql', import.meta.url) },
} as const
const TABLES = [
  'events',
  'lanes',
  'workers',
  'breakers',
  'destinations',
  'rates',
  'settings',
  'inbox',
  'audit',
  'operations',
  'undo',
  'duties',
  'migrations',
]

async function withPlaceOn(
  server: string,
  work: (store: Store, pool: Pool, url: string) => Promise<void>,
): Promise<void> {
  const { pool, url, close } = await openPlace(server)
  try {
    await work(mysql({ pool }) as Store, pool, url)
  } finally {
    await close()
  }
}

/** The schema as the server tells it. */
async function dumpOf(pool: Pool): Promise<string> {
  const texts: string[] = []
  for (const table of TABLES) {
    const [[row]] = await pool.query<RowDataPacket[]>(`SHOW CREATE TABLE outbox_${table}`)
    texts.push(`${String(row?.['Create Table']).replace(/ AUTO_INCREMENT=\d+/, '')};\n`)
  }
  return texts.join('\n')
}

const schemaOn = (pool: Pool, migrations: readonly Migration[]) =>
  schema(clientsOf(pool), tablesOf('outbox_events', undefined), migrations)

for (const { name, title } of MYSQL_SERVERS) {
  describe(`the schema on ${title}`, { skip: skipWithout(name) }, () => {
    const withPlace = (work: (store: Store, pool: Pool, url: string) => Promise<void>): Promise<void> =>
      withPlaceOn(servers[name]()?.url ?? '', work)

    const { version, file } = DUMPS[name]

    test('is the committed dump (UPDATE_SCHEMA_DUMP=1 writes it)', (t) =>
      withPlace(async (store, pool) => {
        const [[row]] = await pool.query<RowDataPacket[]>('SELECT VERSION() AS version')
        if (!String(row?.['version']).startsWith(version)) {
          t.skip(`the dump is of ${title} ${version}x, and this is ${row?.['version']}`)
          return
        }
        await store.schema.migrate()
        const dump = await dumpOf(pool)
        if (process.env['UPDATE_SCHEMA_DUMP'] === '1') writeFileSync(file, dump)
        assert.equal(dump, readFileSync(file, 'utf8'))
      }))

    test("what print says makes the same schema, through the server's own client", () =>
      withPlace(async (store, pool, url) => {
        const { hostname, port, username, password, pathname } = new URL(url)
        const login = ['--no-defaults', '-h', hostname, '-P', port || '3306', '-u', username, `--password=${password}`]
        const input = store.schema.print({ lanes: 64 })
        const { stderr, status } = spawnSync('mariadb', [...login, pathname.slice(1)], { input, encoding: 'utf8' })
        assert.equal(stderr, '')
        assert.equal(status, 0)
        const printed = await dumpOf(pool)
        await store.schema.check()
        await insertOne(store)
        const routines =
          'SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()'
        // The client has left comments out, so their texts differ.
        const [ours] = await pool.query<RowDataPacket[]>(routines)
        await pool.query("CALL outbox_publish('t', '/s', '{}', NULL)")
        assert.equal(await store.admin.count([]), 2)
        await withPlace(async (other, elsewhere) => {
          await other.schema.migrate()
          assert.equal(await dumpOf(elsewhere), printed)
          assert.deepEqual((await elsewhere.query<RowDataPacket[]>(routines))[0], ours)
        })
      }))

    test('a migration that stopped after any statement goes on, with the lanes that it began with', () =>
      withPlace(async (_store, pool) => {
        const [first, ...rest] = MIGRATIONS
        assert.ok(first)
        const t = tablesOf('outbox_events', undefined)
        const count = first.statements(t, 5).length
        for (let stop = 1; stop <= count; stop++) {
          for (const table of TABLES) await pool.query(`DROP TABLE IF EXISTS outbox_${table}`)
          const dying: Migration = {
            ...first,
            statements: (...given) => [...first.statements(...given).slice(0, stop), 'SELECT nothing_here'],
          }
          await assert.rejects(schemaOn(pool, [dying]).migrate({ lanes: 5 }))
          const status = await schemaOn(pool, [first, ...rest]).status()
          assert.equal(status.version, 0)
          assert.equal(status.lanes, null)
          const done = await schemaOn(pool, [first, ...rest]).migrate({ lanes: 64 })
          assert.equal(done.version, done.latest)
          // With nothing but the empty table of settings made, no number was chosen yet.
          const lanes = stop === 1 ? 64 : 5
          assert.equal(done.lanes, lanes)
          await pool.query("INSERT INTO outbox_events (event_type, source, partition_key) VALUES ('t', '/s', 'k')")
          const [[row]] = await pool.query<RowDataPacket[]>('SELECT lane FROM outbox_events')
          assert.equal(row?.['lane'], createHash('sha256').update('k').digest().readUInt32BE(0) % lanes)
        }
      }))

    test('a schema that is outdated, or too new, is told apart from one that may be newer', () =>
      withPlace(async (_store, pool) => {
        const [first] = MIGRATIONS
        assert.ok(first)
        await schemaOn(pool, [first]).migrate()
        await assert.rejects(schemaOn(pool, MIGRATIONS).check(), { code: 'SCHEMA_OUTDATED' })
        await schemaOn(pool, MIGRATIONS).migrate()
        const later: Migration = {
          version: MIGRATIONS.length + 1,
          name: 'later',
          breaking: false,
          statements: () => ['DO 0'],
        }
        await schemaOn(pool, [...MIGRATIONS, later]).migrate()
        await schemaOn(pool, MIGRATIONS).check()
        await schemaOn(pool, [
          ...MIGRATIONS,
          later,
          { ...later, version: MIGRATIONS.length + 2, breaking: true },
        ]).migrate()
        await assert.rejects(schemaOn(pool, MIGRATIONS).check(), { code: 'SCHEMA_TOO_NEW' })
      }))

    test('rows by others are events: id, lane, times and parking are defaults', () =>
      withPlace(async (store, pool) => {
        await store.schema.migrate({ lanes: 8 })
        const key = 'zażółć 🔑'
        await pool.query(
          "INSERT INTO outbox_events (publisher_backend, event_type, source) VALUES ('default', 't', '/s')",
        )
        await pool.query(
          "INSERT INTO outbox_events (partition_key, event_type, source, publisher_backend, scheduled_at) VALUES (?, 't', '/s', 'default', UTC_TIMESTAMP(6) + INTERVAL 1 HOUR)",
          [key],
        )
        await pool.query("INSERT INTO outbox_events (id, event_type, source, data) VALUES (?, 't', '/s', '{ }')", [
          '0193d2a0123470008000000000000001',
        ])
        const rows = await store.admin.list({
          where: [],
          order: [{ column: 'seq', descending: false }],
          limit: null,
          offset: 0,
          columns: ['id', 'lane', 'partitionKey', 'createdAt', 'availableAt', 'scheduledAt', 'status', 'maxRetries'],
        })
        const [plain, later, own] = rows
        assert.match(plain?.id ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
        const made = Number.parseInt((plain?.id ?? '').replace('-', '').slice(0, 12), 16)
        assert.ok(Math.abs(made - (plain?.createdAt?.getTime() ?? 0)) < 1_000, 'the id tells the time')
        assert.equal(plain?.availableAt, null)
        assert.equal(plain?.maxRetries, 3)
        assert.equal(later?.lane, createHash('sha256').update(key).digest().readUInt32BE(0) % 8)
        assert.equal(later?.availableAt?.getTime(), later?.scheduledAt?.getTime())
        assert.equal(own?.id, '0193d2a0-1234-7000-8000-000000000001')
        assert.deepEqual(
          (await fetchAll(store)).map((row) => row.id),
          [plain?.id, own?.id],
        )
        assert.equal((await read(store, own?.id ?? '')).data, '{ }')
        // Lanes without a key are all used.
        for (let n = 0; n < 200; n++)
          await pool.query("INSERT INTO outbox_events (event_type, source) VALUES ('t', '/s')")
        const [[lanes]] = await pool.query<RowDataPacket[]>('SELECT COUNT(DISTINCT lane) AS count FROM outbox_events')
        assert.equal(lanes?.['count'], 8)
      }))
  })
}
