import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RowDataPacket } from 'mysql2/promise'
import { notDelivered } from '../../src/backend/backend.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { canonicalUuid } from '../../src/event/uuid.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { recordingBackend } from '../relay/outbox.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { openPlace } from '../store/postgres-place.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { requireServer } from '../support/servers.ts'
import { STORES } from '../support/stores.ts'
import { openOutbox } from './open-outbox.ts'

/** Django's column types, as its migrations make them. */
const DJANGO_COLUMNS = {
  id: { postgres: 'uuid', sqlite: 'char(32)', mysql: 'char(32)' },
  spec_version: { postgres: 'character varying(10)', sqlite: 'varchar(10)', mysql: 'varchar(10)' },
  event_type: { postgres: 'character varying(255)', sqlite: 'varchar(255)', mysql: 'varchar(255)' },
  source: { postgres: 'character varying(255)', sqlite: 'varchar(255)', mysql: 'varchar(255)' },
  subject: { postgres: 'character varying(255)', sqlite: 'varchar(255)', mysql: 'varchar(255)' },
  data_content_type: { postgres: 'character varying(100)', sqlite: 'varchar(100)', mysql: 'varchar(100)' },
  data_schema: { postgres: 'character varying(200)', sqlite: 'varchar(200)', mysql: 'varchar(200)' },
  // Django has jsonb, which changes the text; ours works with both.
  data: { postgres: 'json', sqlite: 'text', mysql: 'longtext' },
  status: { postgres: 'character varying(20)', sqlite: 'varchar(20)', mysql: 'varchar(20)' },
  created_at: { postgres: 'timestamp with time zone', sqlite: 'datetime', mysql: 'datetime(6)' },
  updated_at: { postgres: 'timestamp with time zone', sqlite: 'datetime', mysql: 'datetime(6)' },
  scheduled_at: { postgres: 'timestamp with time zone', sqlite: 'datetime', mysql: 'datetime(6)' },
  published_at: { postgres: 'timestamp with time zone', sqlite: 'datetime', mysql: 'datetime(6)' },
  retry_count: { postgres: 'integer', sqlite: 'integer', mysql: 'int unsigned' },
  max_retries: { postgres: 'integer', sqlite: 'integer', mysql: 'int unsigned' },
  last_error: { postgres: 'text', sqlite: 'text', mysql: 'longtext' },
  publisher_backend: { postgres: 'character varying(100)', sqlite: 'varchar(100)', mysql: 'varchar(100)' },
  publisher_config: { postgres: 'json', sqlite: 'text', mysql: 'longtext' },
}

/** What may be null in the Django table. */
const NULLABLE = ['data', 'published_at']

function assertColumns(
  found: ReadonlyMap<string, { readonly type: string; readonly nullable: boolean }>,
  dialect: 'postgres' | 'sqlite' | 'mysql',
): void {
  for (const [name, types] of Object.entries(DJANGO_COLUMNS)) {
    assert.deepEqual(found.get(name), { type: types[dialect], nullable: NULLABLE.includes(name) }, name)
  }
}

describe('the table', () => {
  test('has the columns of the Django table on SQLite', async (t) => {
    const { database } = await openOutbox(t, { backends: { default: memoryBackend() } })
    const rows = database.prepare('SELECT name, type, "notnull" FROM pragma_table_info(\'outbox_events\')').all()
    assertColumns(
      new Map(
        rows.map((row) => [
          String(row['name']),
          { type: String(row['type']).toLowerCase(), nullable: row['notnull'] === 0 },
        ]),
      ),
      'sqlite',
    )
  })

  test('has the columns of the Django table on PostgreSQL', async (t) => {
    const server = requireServer(t, 'postgres')
    if (!server) return
    const { pool, schema, close } = openPlace(server.url)
    t.after(close)
    const { postgres } = await import('../../src/store/postgres/postgres.ts')
    await postgres({ pool, schema }).schema.migrate()
    const { rows } = await pool.query<{ name: string; type: string; nullable: boolean }>(
      `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0`,
      [`${schema}.outbox_events`],
    )
    assertColumns(new Map(rows.map(({ name, ...rest }) => [name, rest])), 'postgres')
  })

  for (const { name, title } of MYSQL_SERVERS) {
    test(`has the columns of the Django table on ${title}`, async (t) => {
      const server = requireServer(t, name)
      if (!server) return
      const { pool, close } = await openMysqlPlace(server.url)
      t.after(close)
      await mysql({ pool }).schema.migrate()
      const [rows] = await pool.query<RowDataPacket[]>('SHOW COLUMNS FROM outbox_events')
      assertColumns(
        new Map(
          rows.map((row) => {
            // MariaDB tells how wide an integer is shown, MySQL does not any more.
            const type = String(row['Type']).replace(/^int\(10\)/, 'int')
            return [String(row['Field']), { type, nullable: row['Null'] === 'YES' }]
          }),
        ),
        'mysql',
      )
    })
  }
})

for (const kind of STORES) {
  describe(`a record on ${kind.name}`, { skip: kind.skip }, () => {
    test('a new record has the defaults', async (t) => {
      const { store, close } = await kind.open()
      t.after(close)
      const broadcaster = new Broadcaster({ store, backends: { first: memoryBackend(), second: memoryBackend() } })
      const { id } = await broadcaster.events.create({ type: 'order.created', source: '/orders' })
      const event = await broadcaster.events.get(id)
      assert.equal(canonicalUuid(event.id), event.id)
      const { createdAt, updatedAt, scheduledAt } = event
      assert.ok(Math.abs(Date.now() - createdAt.getTime()) < 60_000)
      assert.deepEqual([updatedAt, scheduledAt], [createdAt, createdAt])
      assert.deepEqual(
        {
          specVersion: event.specVersion,
          eventType: event.eventType,
          source: event.source,
          subject: event.subject,
          dataContentType: event.dataContentType,
          dataSchema: event.dataSchema,
          data: event.data,
          status: event.status,
          publishedAt: event.publishedAt,
          retryCount: event.retryCount,
          maxRetries: event.maxRetries,
          lastError: event.lastError,
          publisherBackend: event.publisherBackend,
          publisherConfig: event.publisherConfig,
        },
        {
          specVersion: '1.0',
          eventType: 'order.created',
          source: '/orders',
          subject: '',
          dataContentType: 'application/json',
          dataSchema: '',
          data: null,
          status: 'pending',
          publishedAt: null,
          retryCount: 0,
          maxRetries: 13,
          lastError: '',
          publisherBackend: 'first',
          publisherConfig: {},
        },
      )
    })
  })
}

test('delivery shows in the record: retries, the last error, the history, publishedAt', async (t) => {
  let fail = true
  const backend = recordingBackend(() => {
    if (!fail) return { ok: true }
    fail = false
    return notDelivered(new Error('not now'))
  })
  const outbox = await openOutbox(t, {
    backends: { default: backend },
    worker: { retry: { base: 50, jitter: 'none' } },
  })
  const event = await outbox.broadcaster.events.create({ type: 'order.created', source: '/orders' })
  const published = outbox.heard('event.published', 1)
  const worker = outbox.broadcaster.worker({ name: 'one' })
  await worker.start()
  await published
  await event.refresh()
  assert.deepEqual([event.status, event.retryCount, event.lastError], ['published', 1, 'not now'])
  assert.deepEqual(
    event.attempts.map(({ worker: name, error }) => [name, error]),
    [['one', 'not now']],
  )
  assert.ok(event.publishedAt !== null && event.publishedAt >= event.createdAt)
  assert.ok(event.updatedAt > event.createdAt)
})

test('rows without a backend, as Django writes them, go to the default backend', async (t) => {
  const backend = memoryBackend()
  const outbox = await openOutbox(t, { backends: { default: backend, other: memoryBackend() } })
  outbox.database.exec(`
    INSERT INTO outbox_events (id, spec_version, event_type, source, subject, data_content_type, data_schema, data, status,
      created_at, updated_at, scheduled_at, retry_count, max_retries, last_error, publisher_backend, publisher_config)
    VALUES ('0c5e5bd1f4c94ad2b6f4b1d3c9f1a111', '1.0', 'order.created', '/orders', '', 'application/json', '', '{"n": 1}',
      'pending', '2026-01-01 00:00:00', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 0, 3, '', '', '{}')`)
  assert.equal(await outbox.broadcaster.processPendingEvents(), 1)
  assert.deepEqual(
    backend.events.map((event) => [event.id, event.data]),
    [['0c5e5bd1-f4c9-4ad2-b6f4-b1d3c9f1a111', { n: 1 }]],
  )
})

test('markAsPublished emits no event.published, which tells what a worker has delivered', async (t) => {
  const outbox = await openOutbox(t, { backends: { default: memoryBackend() } })
  const { broadcaster } = outbox
  const byHand = await broadcaster.events.create({ type: 'order.created', source: '/orders' })
  const heard = outbox.heard('event.published', 1)
  await byHand.markAsPublished()
  const delivered = await broadcaster.events.create({ type: 'order.created', source: '/orders' })
  await broadcaster.worker().start()
  assert.deepEqual(
    (await heard).map(({ record }) => record.id),
    [delivered.id],
  )
})
