import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { createPool, type Pool as MysqlPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { insert, insertIn, newEvent, own, purgeNow, read } from '../../src/testing/store/steps.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'

/** What a worker does in its life, with text that any quoting must survive. */
async function livesOn(store: Store): Promise<void> {
  await store.schema.migrate({ lanes: 4 })
  const errors = ["it's", 'back\\slash', '"quoted"', "\\' OR 1=1 --"]
  const rows = await insert(store, ...errors.map((eventId) => newEvent({ eventId })))
  assert.equal(rows.length, errors.length)
  const twice = await store.transaction((tx) =>
    insertIn(
      store,
      tx,
      errors.map((eventId) => newEvent({ eventId })),
    ),
  )
  assert.equal(twice.length, 0, 'each is known')
  const { ownership, lanes } = await own(store)
  const fetched = await store.relay.fetch(
    ['default'],
    lanes.map(({ lane }) => ({ lane, after: 0, limit: 10 })),
  )
  assert.equal(fetched.length, errors.length)
  const retries = fetched.map(({ id, lane, generation }, n) => ({
    kind: 'retry' as const,
    id,
    lane,
    generation,
    retryCount: 1,
    delay: 0,
    error: errors[n] ?? '',
  }))
  assert.deepEqual((await store.relay.settle(ownership, retries)).lost, [])
  for (const { id, error } of retries) assert.equal((await read(store, id)).lastError, error)
  const published = fetched.map(({ id, lane, generation }) => ({ kind: 'published' as const, id, lane, generation }))
  assert.deepEqual((await store.relay.settle(ownership, published)).lost, [])
  await new Promise((resolve) => setTimeout(resolve, 20))
  let purged = 0
  for (let n = 0; n < 5; n++) purged += await purgeNow(store, { published: 1, failed: 1, cancelled: 1 })
  assert.equal(purged, errors.length)
}

for (const { name, title } of POSTGRES_SERVERS) {
  test(`${title} with standard_conforming_strings = off`, { skip: skipWithout(name) }, async () => {
    const schema = `broadcaster_test_${randomBytes(6).toString('hex')}`
    const options = '-c standard_conforming_strings=off'
    const pool = new Pool({ connectionString: servers[name]()?.url, options })
    try {
      await livesOn(postgres({ pool, schema, listen: false }) as Store)
    } finally {
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
    }
  })
}

for (const { name, title } of POSTGRES_SERVERS) {
  test(`${title}: a session in another encoding than UTF8 is refused`, { skip: skipWithout(name) }, async () => {
    const schema = `broadcaster_test_${randomBytes(6).toString('hex')}`
    const utf8 = new Pool({ connectionString: servers[name]()?.url })
    const latin1 = new Pool({ connectionString: servers[name]()?.url, max: 1 })
    latin1.on('connect', (client) => void client.query(`SET client_encoding = 'LATIN1'`))
    const refused = { code: 'INVALID_OPTION', field: 'client_encoding', value: 'LATIN1' }
    try {
      const store = postgres({ pool: utf8, schema, listen: false }) as Store
      const other = postgres({ pool: latin1, schema, listen: false }) as Store
      await assert.rejects(other.schema.migrate(), refused)
      await store.schema.migrate({ lanes: 4 })
      await assert.rejects(other.schema.check(), refused)
      await assert.rejects(insert(other, newEvent({ subject: 'größer' })), refused)
      await latin1.query(`SET client_encoding = 'UTF8'`)
      await other.schema.check()
      const [row] = await insert(other, newEvent({ subject: 'größer' }))
      assert.equal((await read(store, row?.id ?? '')).subject, 'größer')
    } finally {
      await utf8.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await Promise.all([utf8.end(), latin1.end()])
    }
  })
}

for (const { name, title } of MYSQL_SERVERS) {
  describe(title, { skip: skipWithout(name) }, () => {
    const CASES = [
      ['sql_select_limit = 1', 'SET SESSION sql_select_limit = 1'],
      ['sql_safe_updates = 1', 'SET SESSION sql_safe_updates = 1'],
      ...(name === 'mariadb' ? [['sql_mode = ORACLE', `SET SESSION sql_mode = 'ORACLE'`] as const] : []),
      ['ANSI_QUOTES and NO_BACKSLASH_ESCAPES', `SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'`],
    ] as const
    for (const [what, session] of CASES) {
      test(`with ${what}`, () => withPool(name, '', session, (pool) => livesOn(mysql({ pool }) as Store)))
    }
    test('a database of ucs2 is refused by name', () =>
      withPool(name, 'CHARACTER SET ucs2', 'DO 0', async (pool) => {
        await assert.rejects(mysql({ pool }).schema.migrate(), {
          code: 'INVALID_OPTION',
          field: 'database',
          value: 'ucs2',
        })
      }))
  })
}

async function withPool(
  name: 'mariadb' | 'mysql',
  database: string,
  session: string,
  work: (pool: MysqlPool) => Promise<void>,
): Promise<void> {
  const schema = `broadcaster_test_${randomBytes(6).toString('hex')}`
  const url = new URL(servers[name]()?.url ?? '')
  const root = createPool({ uri: url.href, connectionLimit: 1 })
  await root.query(`CREATE DATABASE ${schema} ${database}`)
  url.pathname = `/${schema}`
  const pool = createPool({ uri: url.href })
  pool.on('connection', (connection) => void connection.query(session))
  try {
    await work(pool)
  } finally {
    await pool.end()
    await root.query(`DROP DATABASE ${schema}`)
    await root.end()
  }
}
