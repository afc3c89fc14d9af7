import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pool, RowDataPacket } from 'mysql2/promise'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace } from '../store/mysql-place.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { type ServerName, servers, skipWithout } from '../support/servers.ts'
import { type SqlEvent, type SqlOutbox, sqlCases } from './sql-cases.ts'

interface MysqlOutbox extends SqlOutbox {
  readonly pool: Pool
}

const NAMES: Readonly<Record<Exclude<keyof SqlEvent, 'type' | 'source' | 'data'>, string>> = {
  binary: 'data_base64',
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

function optionsOf({ type: _, source: __, data: ___, ...rest }: SqlEvent): object {
  return Object.fromEntries(
    Object.entries(rest).map(([member, value]) => {
      const name = NAMES[member as keyof typeof NAMES]
      if (value instanceof Uint8Array) return [name, Buffer.from(value).toString('base64')]
      if (value instanceof Date) return [name, value.toISOString()]
      if (member === 'delay') return [name, Number(value) / 1_000]
      if (member === 'extensions' || member === 'config') return [name, JSON.parse(String(value))]
      return [name, value]
    }),
  )
}

async function open(server: ServerName, table?: string): Promise<MysqlOutbox> {
  const { pool, close } = await openPlace(servers[server]()?.url ?? '')
  const store = mysql({ pool, ...(table && { table }) }) as Store
  await store.schema.migrate({ lanes: 8 })
  const procedure = `${table ?? 'outbox'}_publish`
  return {
    store,
    pool,
    async publish(event) {
      const connection = await pool.getConnection()
      try {
        const options = JSON.stringify(optionsOf(event))
        await connection.query(`CALL ${procedure}(?, ?, ?, ?)`, [event.type, event.source, event.data ?? null, options])
        const [rows] = await connection.query('SELECT @outbox_published AS id')
        const id = String((rows as { readonly id: string }[])[0]?.id)
        return id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
      } finally {
        connection.release()
      }
    },
    async run(sql) {
      // `DELIMITER` is a word of the command `mysql` alone.
      for (const statement of sql.replace(/^DELIMITER .*$/gm, '').split(/ \/\/$/m)) {
        if (statement.trim() !== '') await pool.query(statement)
      }
    },
    async close() {
      await store.close()
      await close()
    },
  }
}

for (const { name, title } of MYSQL_SERVERS) {
  describe(`outbox_publish on ${title}`, { skip: skipWithout(name) }, () => {
    const withOutbox = async (work: (outbox: MysqlOutbox) => Promise<void>, table?: string): Promise<void> => {
      const outbox = await open(name, table)
      try {
        await work(outbox)
      } finally {
        await outbox.close()
      }
    }

    sqlCases(() => open(name))

    test('is named after the events table', () =>
      withOutbox(async (outbox) => {
        await outbox.publish({ type: 'a', source: '/b' })
        assert.equal(await outbox.store.admin.count([]), 1)
      }, 'messages'))

    test('refuses an option that there is none of, and says what is wrong with options', () =>
      withOutbox(async ({ pool, store }) => {
        const call = (options: string): Promise<unknown> =>
          pool.query(`CALL outbox_publish('a', '/b', NULL, ?)`, [options])
        await assert.rejects(call('{"partitionKey": "x"}'), /"partitionKey" is not an option/)
        await assert.rejects(call('[]'), /options is no JSON object/)
        await assert.rejects(call('{'), /options is not JSON/)
        assert.equal(await store.admin.count([]), 0)
      }))

    test('captures bytes as Base64 in one line', () =>
      withOutbox(async (outbox) => {
        const { pool, store } = outbox
        await pool.query('CREATE TABLE photos (id int PRIMARY KEY, bytes blob)')
        await outbox.run((await store.schema.capture?.({ table: 'photos', type: 'photo', source: '/photos' })) ?? '')
        const bytes = Buffer.alloc(1_000, 'photo')
        await pool.query('INSERT INTO photos VALUES (?, ?)', [1, bytes])
        const [rows] = await pool.query<RowDataPacket[]>('SELECT data FROM outbox_events')
        assert.deepEqual(JSON.parse(String(rows[0]?.['data'])).after, { id: 1, bytes: bytes.toString('base64') })
      }))

    test('publishes from a trigger, in the transaction of the change', () =>
      withOutbox(async ({ pool, store }) => {
        await pool.query('CREATE TABLE orders (id int PRIMARY KEY, total decimal(10, 2))')
        await pool.query(`CREATE TRIGGER orders_created AFTER INSERT ON orders FOR EACH ROW
          CALL outbox_publish('order.created', '/orders', JSON_OBJECT('id', NEW.id, 'total', NEW.total),
            JSON_OBJECT('partition_key', NEW.id))`)
        const connection = await pool.getConnection()
        await connection.beginTransaction()
        await connection.query('INSERT INTO orders VALUES (1, 12.50)')
        await connection.rollback()
        connection.release()
        assert.equal(await store.admin.count([]), 0)
        await pool.query('INSERT INTO orders VALUES (1, 12.50), (2, 3)')
        assert.equal(await store.admin.count([]), 2)
      }))
  })
}
