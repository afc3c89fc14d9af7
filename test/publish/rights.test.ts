import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { mysql2Transaction } from '../../src/store/mysql/mysql2-transaction.ts'
import { pgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'

/** Own ids and several backends, so that every statement of a publish is needed; and once more, as duplicates. */
const events = ['a', 'b'].map((id) => ({
  type: 'order.created',
  source: '/orders',
  id,
  partitionKey: 'k',
  data: { id },
}))
const role = `publisher_${randomBytes(4).toString('hex')}`

/** MariaDB wants UPDATE on every column that such an INSERT names, and so on the table. */
const UPDATE = { mysql: 'UPDATE (updated_at)', mariadb: 'UPDATE' }

test('a role that may INSERT and SELECT publishes, on PostgreSQL', { skip: skipWithout('postgres') }, async (t) => {
  const url = servers.postgres()?.url ?? ''
  const place = openPlace(url, 2)
  const store = postgres({ pool: place.pool, schema: place.schema })
  await store.schema.migrate()
  const { schema, pool } = place
  await pool.query(`CREATE ROLE ${role} NOLOGIN`)
  t.after(async () => {
    await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await place.close()
  })
  const client = new Client(url)
  await client.connect()
  t.after(() => client.end())
  const broadcaster = new Broadcaster({ store, transaction: pgTransaction(), backends: { default: memoryBackend() } })
  const publish = async (): Promise<readonly boolean[]> => {
    await client.query('BEGIN')
    try {
      await client.query(`SET LOCAL ROLE ${role}`)
      const published = await broadcaster.publishMany(client, events)
      await client.query('COMMIT')
      return published.map(({ duplicate }) => duplicate)
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    }
  }
  await assert.rejects(publish(), { code: 'PERMISSION_DENIED' })
  await pool.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`)
  await pool.query(`GRANT INSERT, SELECT ON ${schema}.outbox_events TO ${role}`)
  await pool.query(`GRANT SELECT ON ${schema}.outbox_settings TO ${role}`)
  assert.deepEqual(await publish(), [false, false])
  assert.deepEqual(await publish(), [true, true])
})

for (const server of ['mariadb', 'mysql'] as const) {
  test(`a user who may INSERT, SELECT and ${UPDATE[server]} publishes, on ${server}`, {
    skip: skipWithout(server),
  }, async (t) => {
    const place = await openMysqlPlace(servers[server]()?.url ?? '')
    const store = mysql({ pool: place.pool })
    await store.schema.migrate()
    const user = `${role}_${server}`
    await place.pool.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'secret'`)
    t.after(async () => {
      await place.pool.query(`DROP USER '${user}'@'%'`)
      await store.close()
      await place.close()
    })
    const url = new URL(place.url)
    const database = url.pathname.slice(1)
    const grant = (what: string, table: string) =>
      place.pool.query(`GRANT ${what} ON \`${database}\`.${table} TO '${user}'@'%'`)
    await grant('SELECT', 'outbox_settings')
    await grant('INSERT, SELECT', 'outbox_events')
    url.username = user
    url.password = 'secret'
    const connection = await createConnection(url.href)
    t.after(() => connection.end())
    const broadcaster = new Broadcaster({
      store,
      transaction: mysql2Transaction(),
      backends: { default: memoryBackend() },
    })
    const publish = async (): Promise<readonly boolean[]> => {
      await connection.beginTransaction()
      try {
        const published = await broadcaster.publishMany(connection, events)
        await connection.commit()
        return published.map(({ duplicate }) => duplicate)
      } catch (error) {
        await connection.rollback()
        throw error
      }
    }
    // A duplicate that comes at the same moment is found by an update of one column: decision 0016.
    await assert.rejects(publish(), { code: 'PERMISSION_DENIED' })
    await grant(UPDATE[server], 'outbox_events')
    assert.deepEqual(await publish(), [false, false])
    assert.deepEqual(await publish(), [true, true])
  })
}
