import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { insertIn, newEvent } from '../../src/testing/store/steps.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { dump as exactDump } from './postgres-dump.ts'
import { openPlace, type Place } from './postgres-place.ts'

/** What somebody dropped, `migrate` makes again; what is left is kept. */

const LANES = 24

/** The schema without casts and brackets: PostgreSQL writes what it reads of its own text with others. */
async function dump(place: Place): Promise<string> {
  return (await exactDump(place)).replaceAll(/::character varying|::text(\[\])?|[()]/g, '')
}

async function withOutbox(
  url: string,
  work: (place: Place, store: Store, whole: string) => Promise<void>,
): Promise<void> {
  const place = openPlace(url)
  try {
    const store = postgres({ pool: place.pool, schema: place.schema, listen: false })
    await store.schema.migrate({ lanes: LANES })
    await store.transaction(async (tx) => {
      await insertIn(store, tx, [newEvent({ partitionKey: 'k' })])
    })
    await work(place, store, await dump(place))
  } finally {
    await place.close()
  }
}

/** Every object, as the rest of a statement that drops it. */
async function objectsOf({ pool, schema }: Place): Promise<readonly string[]> {
  const { rows } = await pool.query<{ what: string }>(
    `
SELECT format('TABLE %s CASCADE', c.oid::regclass) AS what FROM pg_class AS c
  WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'
UNION ALL SELECT format('INDEX %s', x.indexrelid::regclass) FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indrelid
  WHERE c.relnamespace = $1::text::regnamespace AND NOT x.indisprimary
UNION ALL SELECT format('FUNCTION %s CASCADE', p.oid::regprocedure) FROM pg_proc AS p
  WHERE p.pronamespace = $1::text::regnamespace
UNION ALL SELECT format('TRIGGER %I ON %s', g.tgname, g.tgrelid::regclass)
  FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
  WHERE c.relnamespace = $1::text::regnamespace AND NOT g.tgisinternal
UNION ALL SELECT format('VIEW %s', c.oid::regclass) FROM pg_class AS c
  WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'v'`,
    [schema],
  )
  return rows.map(({ what }) => what)
}

for (const { name, title } of POSTGRES_SERVERS) {
  describe(`a half-dropped outbox on ${title}`, { skip: skipWithout(name) }, () => {
    const url = servers[name]()?.url ?? ''

    test('each object, dropped alone, is made again as it was, and the events are kept', () =>
      withOutbox(url, async (place, store, whole) => {
        const objects = await objectsOf(place)
        assert.ok(objects.length >= 20, objects.join('\n'))
        for (const what of objects) {
          await place.pool.query(`DROP ${what}`)
          assert.notEqual(await dump(place), whole, what)
          const { mended = [], lanes, pending } = await store.schema.migrate({ lanes: 7 })
          assert.ok(mended.length > 0, what)
          assert.equal(await dump(place), whole, what)
          assert.deepEqual([lanes, pending.length], [LANES, 0], what)
          await store.schema.check()
          if (!what.startsWith('TABLE') || !what.includes('_events')) {
            assert.equal(await store.admin.count([]), 1, what)
          } else {
            await store.transaction(async (tx) => {
              await insertIn(store, tx, [newEvent({})])
            })
          }
        }
      }))

    test('columns that were dropped are made again, with their defaults', () =>
      withOutbox(url, async (place, store) => {
        const columns = async () =>
          (
            await place.pool.query(
              `SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = $1 ORDER BY table_name, column_name`,
              [place.schema],
            )
          ).rows
        const whole = await columns()
        await place.pool.query(`ALTER TABLE ${place.schema}.outbox_lanes DROP COLUMN quiet_for, DROP COLUMN attention;
ALTER TABLE ${place.schema}.outbox_events DROP COLUMN progress`)
        const { mended = [] } = await store.schema.migrate()
        assert.deepEqual(mended.toSorted(), [
          'the column outbox_events.progress',
          'the column outbox_lanes.attention',
          'the column outbox_lanes.quiet_for',
        ])
        assert.deepEqual(await columns(), whole)
        assert.equal(await store.admin.count([]), 1)
        assert.equal((await store.schema.migrate()).mended, undefined, 'they are there')
      }))

    test('all tables dropped, as by a tool that does not know them, and the functions left', () =>
      withOutbox(url, async (place, store, whole) => {
        const tables = (await objectsOf(place)).filter((what) => what.startsWith('TABLE'))
        for (const what of tables) await place.pool.query(`DROP ${what}`)
        await assert.rejects(store.schema.check(), { code: 'SCHEMA_OUTDATED', message: /were dropped; run/ })
        const { mended = [] } = await store.schema.migrate()
        assert.ok(mended.includes('the table outbox_events'), mended.join(', '))
        assert.equal(await dump(place), whole)
        assert.equal((await store.schema.check()).lanes, LANES)
      }))

    test('the tables that tell of the schema dropped, and the events kept', () =>
      withOutbox(url, async (place, store, whole) => {
        await place.pool.query(`DROP TABLE ${place.schema}.outbox_migrations, ${place.schema}.outbox_settings`)
        await assert.rejects(store.schema.check(), { code: 'SCHEMA_OUTDATED' })
        await store.schema.migrate()
        assert.equal(await dump(place), whole)
        assert.deepEqual([(await store.schema.check()).lanes, await store.admin.count([])], [LANES, 1])
      }))

    test('a whole one is left as it is, also by two at once', () =>
      withOutbox(url, async (place, store, whole) => {
        const [one, two] = await Promise.all([store.schema.migrate(), store.schema.migrate()])
        assert.deepEqual([one.mended, two.mended], [undefined, undefined])
        assert.equal(await dump(place), whole)
        await place.pool.query(`DROP TABLE ${place.schema}.outbox_inbox`)
        await Promise.all([store.schema.migrate(), store.schema.migrate()])
        assert.equal(await dump(place), whole)
      }))

    test('who may not make tables can still migrate an outbox that is whole', () =>
      withOutbox(url, async (place, store, whole) => {
        const role = `${place.schema}_app`
        const client = await place.pool.connect()
        try {
          await client.query(`CREATE ROLE ${role}; GRANT USAGE ON SCHEMA ${place.schema} TO ${role};
            GRANT SELECT ON ALL TABLES IN SCHEMA ${place.schema} TO ${role}`)
          const asRole = new URL(url)
          asRole.searchParams.set('options', `-c role=${role}`)
          const app = postgres({ url: asRole.href, schema: place.schema, listen: false })
          assert.deepEqual((await app.schema.migrate()).pending, [])
          await app.close()
        } finally {
          await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
          client.release()
        }
        assert.equal(await dump(place), whole)
        void store
      }))
  })
}

test('on PGlite, in the schema of the search path and with a name that needs quotes', async () => {
  const pglite = new PGlite()
  const store = postgres({ pglite, table: 'Messages' })
  await store.schema.migrate({ lanes: 3 })
  await pglite.exec('DROP TABLE "Messages_lanes"; DROP INDEX "Messages_hot"; DROP FUNCTION "Messages_wake" CASCADE')
  const { mended, lanes } = await store.schema.migrate()
  assert.deepEqual(
    [mended, lanes],
    [
      [
        'the table Messages_lanes',
        'the primary key of Messages_lanes',
        'the index Messages_hot',
        'the function Messages_wake',
        'the trigger Messages_wake',
      ],
      3,
    ],
  )
  assert.equal((await store.schema.migrate()).mended, undefined)
  await pglite.close()
})
