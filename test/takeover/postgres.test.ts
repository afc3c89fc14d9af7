import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { takeOver } from '../../src/store/postgres/schema/takeover/take-over.ts'
import { tablesOf } from '../../src/store/postgres/tables.ts'
import { clientsOf } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { djangoDdl, type PostgresDjango, postgresDjango } from './django-database.ts'
import { DJANGO_COLUMNS, djangoRow, isDue, OLD_ROWS } from './django-rows.ts'
import { deliver, takeoverCases } from './takeover-cases.ts'

const open = (): Promise<PostgresDjango> => postgresDjango(servers.postgres()?.url ?? '')

async function withDatabase(work: (database: PostgresDjango) => Promise<void>): Promise<void> {
  const database = await open()
  try {
    await work(database)
  } finally {
    await database.close()
  }
}

const clientOf = ({ pool }: PostgresDjango) => clientsOf(pool).migration

describe('a Django table taken over on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  takeoverCases(open)

  test('the table is not rewritten, and ends as ours but for jsonb', () =>
    withDatabase(async (database) => {
      const { pool, store, schema } = database
      await database.insert(...OLD_ROWS)
      const node = async (): Promise<unknown> =>
        (await pool.query(`SELECT pg_relation_filenode('outbox_events') AS node`)).rows[0]
      const before = await node()
      await store.schema.migrate()
      assert.deepEqual(await node(), before)
      const columns = async (where: string) =>
        (
          await pool.query(
            `SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = $1 AND table_name = 'outbox_events' ORDER BY column_name`,
            [where],
          )
        ).rows
      /** Triggers, our indexes, functions and tables, without the name of the schema. */
      const objects = async (where: string): Promise<readonly string[]> => {
        const { rows } = await pool.query(
          `SELECT pg_get_triggerdef(t.oid) AS def FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = $1::text::regnamespace AND NOT t.tgisinternal
UNION ALL SELECT indexdef FROM pg_indexes
WHERE schemaname = $1::text AND indexname ~ '_(identity|hot|parked|troubled|pkey|inbox_age)$'
UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p WHERE p.pronamespace = $1::text::regnamespace
UNION ALL SELECT tablename FROM pg_tables WHERE schemaname = $1::text ORDER BY 1`,
          [where],
        )
        assert.ok(rows.length > 20)
        return rows.map(({ def }) =>
          def.replaceAll(new RegExp(`"?${where}"?\\.`, 'g'), '').replaceAll(`'${where}'`, "'...'"),
        )
      }
      const fresh = await open()
      try {
        await fresh.run('DROP TABLE outbox_events')
        await fresh.store.schema.migrate()
        const wanted = (await columns(fresh.schema)).map((column) => {
          if (column.column_name === 'seq')
            return { ...column, column_default: `nextval('outbox_events_seq_seq'::regclass)` }
          if (column.column_name === 'data') return { ...column, data_type: 'jsonb' }
          if (column.column_name !== 'publisher_config') return column
          return { ...column, data_type: 'jsonb', column_default: "'{}'::jsonb" }
        })
        assert.deepEqual(await columns(schema), wanted)
        assert.deepEqual(await objects(schema), await objects(fresh.schema))
      } finally {
        await fresh.close()
      }
    }))

  test('PGlite is PostgreSQL, too', async () => {
    const pglite = new PGlite()
    try {
      await pglite.exec(djangoDdl('postgres'))
      await pglite.exec(`INSERT INTO outbox_events
        SELECT gen_random_uuid(), '1.0', 'order.created', '/orders', '', 'application/json', '', '{}', 'pending',
          now() - n * interval '1 second', now(), now(), NULL, 0, 3, '', '', '{}' FROM generate_series(1, 3000) AS n`)
      const store = postgres({ pglite, listen: false })
      const status = await store.schema.migrate()
      assert.equal(status.version, status.latest)
      const backend = memoryBackend()
      await using broadcaster = new Broadcaster({ store, backends: { default: backend } })
      while ((await broadcaster.processPendingEvents({ batchSize: 1_000 })) > 0);
      assert.equal(backend.events.length, 3_000)
    } finally {
      await pglite.close()
    }
  })

  test('a role that may do no more than insert goes on inserting', () =>
    withDatabase(async (database) => {
      const { pool, schema } = database
      const role = `${schema}_app`
      await pool.query(`CREATE ROLE ${role}`)
      try {
        await pool.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT INSERT ON outbox_events TO ${role}`)
        await database.store.schema.migrate()
        const row = djangoRow()
        const client = await pool.connect()
        try {
          await client.query(`BEGIN; SET LOCAL ROLE ${role}`)
          const names = DJANGO_COLUMNS.join(', ')
          const values = DJANGO_COLUMNS.map((_, n) => `$${n + 1}`).join(', ')
          await client.query(`INSERT INTO outbox_events (${names}) VALUES (${values})`, [
            ...DJANGO_COLUMNS.map((name) => row[name]),
          ])
          await assert.rejects(client.query('SELECT FROM outbox_events'), { code: '42501' }, 'the control')
          await client.query('ROLLBACK')
        } finally {
          client.release()
        }
      } finally {
        await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      }
    }))

  test('a long transaction holds up the take-over, and nobody else', () =>
    withDatabase(async (database) => {
      const { pool } = database
      await database.insert(...OLD_ROWS)
      const reader = await pool.connect()
      await reader.query('BEGIN')
      await reader.query('SELECT count(*) FROM outbox_events')
      let waited: () => void = () => undefined
      const waiting = new Promise<void>((resolve) => {
        waited = resolve
      })
      const migrating = takeOver(clientOf(database), tablesOf('outbox_events', database.schema), {
        lanes: 8,
        lockWait: 50,
        lockPause: 50,
        onProgress: (step) => step.startsWith('add the columns') && waited(),
      })
      await waiting
      const row = djangoRow()
      // The control: that the take-over does wait for its lock, and that an insert may stand behind it meanwhile.
      for (let blocked = 0; blocked < 3; ) {
        const { rows } = await pool.query(
          `SELECT FROM pg_locks WHERE relation = 'outbox_events'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted`,
        )
        blocked += rows.length
      }
      await database.insert(row)
      assert.equal((await database.store.schema.status()).foreign, true, 'the insert was faster than the take-over')
      await reader.query('COMMIT')
      reader.release()
      await migrating
      await database.store.schema.migrate()
      const arrived = await deliver(database)
      assert.ok(arrived.default.some(({ id }) => id === row.id))
    }))

  test('a table that cannot be locked is told with who holds it, and nothing is half done', () =>
    withDatabase(async (database) => {
      const { pool } = database
      await database.insert(...OLD_ROWS)
      const reader = await pool.connect()
      await reader.query('BEGIN')
      const { rows } = await reader.query('SELECT pg_backend_pid() AS pid, count(*) FROM outbox_events')
      const t = tablesOf('outbox_events', database.schema)
      const options = { lanes: 8, lockWait: 20, lockPause: 10, patience: 100 }
      await assert.rejects(takeOver(clientOf(database), t, options), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'STORE_BUSY')
        assert.ok(error.message.includes(String(rows[0].pid)), error.message)
        return true
      })
      await database.insert(djangoRow())
      await reader.query('ROLLBACK')
      reader.release()
      await database.store.schema.migrate()
      assert.equal((await deliver(database)).default.length, OLD_ROWS.filter(isDue).length)
    }))

  test('an index that a dead build left invalid is made again', () =>
    withDatabase(async (database) => {
      const { pool, store } = database
      await database.insert(...OLD_ROWS)
      const t = tablesOf('outbox_events', database.schema)
      const dies = (step: string): void => {
        if (step.includes('_hot')) throw new Error('dies')
      }
      await assert.rejects(takeOver(clientOf(database), t, { lanes: 8, onProgress: dies }), /dies/)
      await pool.query('CREATE INDEX outbox_events_hot ON outbox_events (last_error)')
      await pool.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'outbox_events_hot'::regclass`)
      await store.schema.migrate()
      const { rows } = await pool.query(
        `SELECT indisvalid, pg_get_indexdef(indexrelid) AS def FROM pg_index WHERE indexrelid = 'outbox_events_hot'::regclass`,
      )
      assert.equal(rows[0].indisvalid, true)
      assert.match(rows[0].def, /\(publisher_backend, lane, seq\)/)
    }))

  test('the printed script does the same', () =>
    withDatabase(async (database) => {
      const { pool, store } = database
      await database.insert(...OLD_ROWS)
      const script = store.schema.print({ takeOver: true, lanes: 8 })
      for (const statement of statementsOf(script)) await pool.query(statement)
      assert.equal((await store.schema.check()).lanes, 8)
      assert.equal((await deliver(database)).default.length, OLD_ROWS.filter((row) => isDue(row)).length - 1)
    }))

  test('what Django could not have made is refused: a type, NULL, a key, a column of others', () =>
    withDatabase(async (database) => {
      const wrong: readonly (readonly [string, string, string])[] = [
        ['ALTER COLUMN retry_count TYPE bigint', 'ALTER COLUMN retry_count TYPE integer', 'retry_count'],
        ['ALTER COLUMN subject DROP NOT NULL', 'ALTER COLUMN subject SET NOT NULL', 'subject'],
        ['ADD COLUMN tenant integer NOT NULL', 'DROP COLUMN tenant', 'tenant'],
        ['ADD COLUMN lane text', 'DROP COLUMN lane', 'lane'],
        ['ALTER COLUMN source TYPE varchar(100)', 'ALTER COLUMN source TYPE varchar(255)', 'source'],
        ['DROP CONSTRAINT outbox_events_pkey', 'ADD PRIMARY KEY (id)', 'id'],
        ['RENAME last_error TO error', 'RENAME error TO last_error', 'last_error'],
      ]
      for (const [spoil, mend, field] of wrong) {
        await database.run(`ALTER TABLE outbox_events ${spoil}`)
        await assert.rejects(database.store.schema.migrate(), { code: 'TAKEOVER_REFUSED', field }, field)
        await database.run(`ALTER TABLE outbox_events ${mend}`)
      }
      await database.run('ALTER TABLE outbox_events ADD COLUMN tenant integer NOT NULL DEFAULT 0')
      await database.store.schema.migrate()
    }))
})

/** A script as psql sends it: statement by statement, those between BEGIN and COMMIT on one connection at once. */
function statementsOf(script: string): readonly string[] {
  const statements: string[] = []
  let rest = script.replace(/^--.*$/gm, '')
  for (;;) {
    const found = /^\s*(BEGIN;[\s\S]*?\nCOMMIT;|DO (\$\w+\$)[\s\S]*?\2;|[^;]+;)/.exec(rest)
    if (!found) return statements
    statements.push(found[1] ?? '')
    rest = rest.slice(found[0].length)
  }
}
