import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { sha256Prefix } from '../../src/store/sqlite/schema/migrations/0003-sha256.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { keyHashOf } from '../../src/testing/store/steps.ts'
import { type SqlEvent, type SqlOutbox, sqlCases } from './sql-cases.ts'

interface SqliteOutbox extends SqlOutbox {
  /** The connection of another program. */
  readonly database: DatabaseSync
}

const COLUMNS: Readonly<Record<keyof SqlEvent, string>> = {
  type: 'type',
  source: 'source',
  data: 'data',
  binary: 'data_binary',
  subject: 'subject',
  partitionKey: 'partition_key',
  backend: 'backend',
  delay: 'delay',
  scheduledAt: 'scheduled_at',
  id: 'id',
  time: 'event_time',
  dataContentType: 'data_content_type',
  dataSchema: 'data_schema',
  extensions: 'extensions',
  maxRetries: 'max_retries',
  config: 'config',
}

function bound(member: keyof SqlEvent, value: SqlEvent[keyof SqlEvent]): string | number | Uint8Array | null {
  if (value instanceof Date) return value.toISOString()
  if (member === 'delay') return Number(value) / 1_000
  return value ?? null
}

async function open(table = 'outbox_events'): Promise<SqliteOutbox> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-sql-'))
  const path = join(folder, 'outbox.db')
  const store = sqlite({ path, table }) as Store
  await store.schema.migrate({ lanes: 8 })
  const database = new DatabaseSync(path, { timeout: 5_000 })
  const view = `${table.replace(/_events$/, '')}_publish`
  return {
    store,
    database,
    async publish(event) {
      const members = Object.keys(event) as (keyof SqlEvent)[]
      database
        .prepare(`INSERT INTO ${view} (${members.map((member) => COLUMNS[member])}) VALUES (${members.map(() => '?')})`)
        .run(...members.map((member) => bound(member, event[member])))
      const found = database
        .prepare(
          `SELECT id FROM ${table} WHERE ? IS NULL OR (source = ? AND event_id = ? AND publisher_backend = ?) ORDER BY seq DESC`,
        )
        .get(event.id ?? null, event.source ?? null, event.id ?? null, event.backend ?? '')
      return String(found?.['id']).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    },
    async run(sql) {
      database.exec(sql)
    },
    async close() {
      database.close()
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

describe('outbox_publish on SQLite', () => {
  sqlCases(open)

  test('is named after the events table', async () => {
    const outbox = await open('messages')
    try {
      await outbox.publish({ type: 'a', source: '/b' })
      assert.equal(await outbox.store.admin.count([]), 1)
    } finally {
      await outbox.close()
    }
  })

  test('publishes from a trigger, in the transaction of the change', async () => {
    const outbox = await open()
    try {
      const { database, store } = outbox
      database.exec(`CREATE TABLE orders (id integer PRIMARY KEY, total integer);
        CREATE TRIGGER orders_created AFTER INSERT ON orders BEGIN
          INSERT INTO outbox_publish (type, source, partition_key, data)
          VALUES ('order.created', '/orders', NEW.id, json_object('id', NEW.id, 'total', NEW.total));
        END`)
      database.exec('BEGIN; INSERT INTO orders VALUES (1, 5); ROLLBACK')
      assert.equal(await store.admin.count([]), 0)
      database.exec('INSERT INTO orders VALUES (1, 5), (2, 6)')
      assert.equal(await store.admin.count([]), 2)
    } finally {
      await outbox.close()
    }
  })

  test('the lane of a key is computed as the library does, however long the key is', () => {
    const database = new DatabaseSync(':memory:')
    const hash = database.prepare(`SELECT ${sha256Prefix('$key')} AS hash`)
    const keys = [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 255].map((length) => 'x'.repeat(length))
    for (const key of [...keys, 'ключ 🔑', '🔑'.repeat(255), '%_\'"\\']) {
      assert.equal(hash.get({ key })?.['hash'], keyHashOf(key), `${key.length} ${key.slice(0, 9)}`)
    }
    database.close()
  })
})
