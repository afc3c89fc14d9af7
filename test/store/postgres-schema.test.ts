import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Migration } from '../../src/store/postgres/schema/migration.ts'
import { MIGRATIONS } from '../../src/store/postgres/schema/migrations.ts'
import { schema as schemaOf } from '../../src/store/postgres/schema/schema.ts'
import { tablesOf } from '../../src/store/postgres/tables.ts'
import type { Store } from '../../src/store/store.ts'
import { fetchAll, insertIn, keyHashOf, newEvent, read } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { dump } from './postgres-dump.ts'
import { clientsOf, openPlace, type Place } from './postgres-place.ts'

const DUMP = new URL('./postgres-schema.sql', import.meta.url)
const url = servers.postgres()?.url ?? ''

async function withPlace(work: (place: Place) => Promise<void>): Promise<void> {
  const place = openPlace(url)
  try {
    await work(place)
  } finally {
    await place.close()
  }
}

describe('schema on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  test('is the one in postgres-schema.sql (UPDATE_SCHEMA=1 writes it)', () =>
    withPlace(async (place) => {
      await postgres({ pool: place.pool, schema: place.schema }).schema.migrate()
      const found = await dump(place)
      if (process.env['UPDATE_SCHEMA'] === '1') writeFileSync(DUMP, found)
      assert.equal(found, readFileSync(DUMP, 'utf8'))
    }))

  test('the printed SQL makes the same schema', () =>
    withPlace(async (place) => {
      const store = postgres({ pool: place.pool, schema: place.schema })
      await place.pool.query(store.schema.print())
      await store.schema.check()
      assert.equal(await dump(place), readFileSync(DUMP, 'utf8'))
    }))

  test('a table of another name has its companions beside it', () =>
    withPlace(async ({ pool, schema }) => {
      const store = postgres({ pool, schema, table: 'Messages' })
      await store.schema.migrate({ lanes: 3 })
      const { rows } = await pool.query('SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [schema])
      assert.deepEqual(
        rows.map(({ tablename }) => tablename),
        [
          'Messages',
          'Messages_audit',
          'Messages_breakers',
          'Messages_destinations',
          'Messages_duties',
          'Messages_flow',
          'Messages_identities',
          'Messages_inbox',
          'Messages_lanes',
          'Messages_migrations',
          'Messages_operations',
          'Messages_outages',
          'Messages_partitions',
          'Messages_rates',
          'Messages_settings',
          'Messages_undo',
          'Messages_workers',
        ],
      )
      assert.equal((await store.schema.check()).lanes, 3)
      assert.equal(await store.admin.count([]), 0)
    }))

  test('two outboxes in one schema do not know each other', () =>
    withPlace(async ({ pool, schema }) => {
      const [one, two] = ['one_events', 'two_events'].map((table) => postgres({ pool, schema, table, listen: false }))
      assert.ok(one && two)
      await one.schema.migrate({ lanes: 4 })
      await assert.rejects(two.schema.check(), { code: 'SCHEMA_MISSING' })
      await assert.rejects(two.admin.count([]), { code: 'SCHEMA_MISSING' })
      await two.schema.migrate({ lanes: 4 })
      await publish(one, { data: '1' })
      assert.equal(await two.admin.count([]), 0)
    }))

  test('refuses a schema that is too new or outdated, if that breaks it', () =>
    withPlace(async ({ pool, schema }) => {
      const client = clientsOf(pool)
      const t = tablesOf('outbox_events', schema)
      const next = (breaking: boolean): Migration => ({
        version: MIGRATIONS.length + 1,
        name: 'next',
        breaking,
        sql: (to) => `ALTER TABLE ${to.events} ADD COLUMN next integer;`,
      })
      const now = schemaOf(client, t)
      await now.migrate()
      const newer = schemaOf(client, t, [...MIGRATIONS, next(false)])
      await assert.rejects(newer.check(), { code: 'SCHEMA_OUTDATED' })
      assert.deepEqual((await newer.status()).pending, [
        { version: MIGRATIONS.length + 1, name: 'next', breaking: false },
      ])
      assert.equal((await newer.migrate()).version, MIGRATIONS.length + 1)
      assert.equal((await now.check()).version, MIGRATIONS.length + 1, 'a step that breaks nothing is fine')
      await pool.query(`UPDATE ${t.migrations} SET breaking = true WHERE version > ${MIGRATIONS.length}`)
      await assert.rejects(now.check(), { code: 'SCHEMA_TOO_NEW' })
    }))

  test('pages of events keep room for the row that says published, unless somebody chose otherwise', () =>
    withPlace(async ({ pool, schema }) => {
      const t = tablesOf('outbox_events', schema)
      const before = MIGRATIONS.filter(({ version }) => version < 10)
      const options = async (): Promise<unknown> =>
        (await pool.query('SELECT reloptions FROM pg_class WHERE oid = to_regclass($1)', [t.events])).rows[0].reloptions
      await schemaOf(clientsOf(pool), t, before).migrate()
      assert.equal(await options(), null)
      await schemaOf(clientsOf(pool), t).migrate()
      assert.deepEqual(await options(), ['fillfactor=50'])
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await schemaOf(clientsOf(pool), t, before).migrate()
      await pool.query(`ALTER TABLE ${t.events} SET (fillfactor = 90)`)
      await schemaOf(clientsOf(pool), t).migrate()
      assert.deepEqual(await options(), ['fillfactor=90'])
    }))

  test('a step that fails leaves nothing behind', () =>
    withPlace(async ({ pool, schema }) => {
      const client = clientsOf(pool)
      const broken: Migration = { version: 1, name: 'broken', breaking: true, sql: () => 'CREATE TABLE nowhere.x ();' }
      const store = schemaOf(client, tablesOf('outbox_events', schema), [broken])
      await assert.rejects(store.migrate())
      const { rows } = await pool.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
      assert.equal(rows.length, 0)
    }))

  test('lanes are a whole number from 1 to 1024', () =>
    withPlace(async ({ pool, schema }) => {
      const store = postgres({ pool, schema })
      for (const lanes of [0, 1025, 1.5, Number.NaN]) {
        await assert.rejects(store.schema.migrate({ lanes }), { code: 'INVALID_OPTION', field: 'lanes' })
      }
    }))

  test('a plain INSERT from any language is an event', () =>
    withPlace(async ({ pool, schema }) => {
      const store = postgres({ pool, schema, listen: false })
      await store.schema.migrate({ lanes: 8 })
      const before = Date.now()
      const { rows } = await pool.query(`
        INSERT INTO ${schema}.outbox_events (event_type, source, data, partition_key, scheduled_at) VALUES
          ('a', '/s', '{"n":1}', NULL, now()), ('b', '/s', NULL, 'clé', now()), ('c', '/s', NULL, 'clé', now() + interval '1 day')
        RETURNING id`)
      const [a, b, c] = await Promise.all(rows.map(({ id }) => read(store, id)))
      assert.ok(a && b && c)
      assert.equal(a.publisherBackend, '')
      assert.equal(a.maxRetries, 3)
      assert.equal(a.publisherConfig, '{}')
      assert.equal(b.lane, keyHashOf('clé') % 8, 'the lane follows the key')
      assert.equal(c.lane, b.lane)
      assert.equal(c.availableAt?.getTime(), c.scheduledAt.getTime(), 'parked until due')
      const milliseconds = Number.parseInt(a.id.replaceAll('-', '').slice(0, 12), 16)
      assert.ok(Math.abs(milliseconds - before) < 60_000, 'the id is in the order of time')
      assert.equal(a.id[14], '7')
      assert.deepEqual(
        (await fetchAll(store)).map((row) => row.id),
        [a.id, b.id],
      )
    }))

  test('works with jsonb columns, as in a table made by Django', () =>
    withPlace(async ({ pool, schema }) => {
      const store = postgres({ pool, schema, listen: false })
      await store.schema.migrate({ lanes: 4 })
      await pool.query(`ALTER TABLE ${schema}.outbox_events ALTER COLUMN data TYPE jsonb,
        ALTER COLUMN publisher_config DROP DEFAULT, ALTER COLUMN publisher_config TYPE jsonb`)
      await publish(store, { data: '{"n":1}', publisherConfig: '{"a":2}' })
      const [row] = await fetchAll(store)
      assert.equal(row?.data, '{"n": 1}')
      assert.equal(row?.publisherConfig, '{"a": 2}')
    }))
})

async function publish(store: Store, overrides: Parameters<typeof newEvent>[0]): Promise<void> {
  await store.transaction(async (tx) => {
    await insertIn(store, tx, [newEvent(overrides)])
  })
}
