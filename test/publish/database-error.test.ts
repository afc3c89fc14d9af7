import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import BetterSqlite3 from 'better-sqlite3'
import { Client } from 'pg'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError, type ErrorCode } from '../../src/errors.ts'
import { databaseError, isRetryable } from '../../src/store/database-error.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { pgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { betterSqlite3Transaction, nodeSqliteTransaction } from '../../src/store/sqlite/sync-transaction.ts'
import type { Dialect } from '../../src/store/statement.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'

const event = { type: 'order.created', source: '/orders' }

/** An error as a library makes it, with the driver's inside it. */
function wrapped(inner: object, members: object = {}): Error {
  return Object.assign(new Error('Failed query: INSERT INTO secret', { cause: inner }), members)
}
const driver = (members: object): Error => Object.assign(new Error('what the driver says'), members)

const TABLE: readonly (readonly [string, Dialect, unknown, ErrorCode, boolean])[] = [
  ['pg, a serialization failure', 'postgres', driver({ code: '40001' }), 'TRANSACTION_CONFLICT', true],
  ['pg, a deadlock inside Drizzle', 'postgres', wrapped(driver({ code: '40P01' })), 'TRANSACTION_CONFLICT', true],
  ['pg, shutdown', 'postgres', driver({ code: '57P01' }), 'STORE_UNAVAILABLE', true],
  ['pg, connection lost', 'postgres', driver({ code: '08006' }), 'STORE_UNAVAILABLE', true],
  ['pg, cut without a code', 'postgres', new Error('Connection terminated unexpectedly'), 'STORE_UNAVAILABLE', true],
  ['pg, refused', 'postgres', driver({ code: 'ECONNREFUSED', errno: -111 }), 'STORE_UNAVAILABLE', true],
  ['EPIPE is no SQLSTATE', 'postgres', driver({ code: 'EPIPE' }), 'STORE_UNAVAILABLE', true],
  ['pg, lock not available', 'postgres', driver({ code: '55P03' }), 'STORE_BUSY', true],
  ['pg, cancelled', 'postgres', driver({ code: '57014' }), 'STORE_BUSY', true],
  ['pg, too many connections', 'postgres', driver({ code: '53300' }), 'STORE_BUSY', true],
  ['pg, read only', 'postgres', driver({ code: '25006' }), 'STORE_READ_ONLY', true],
  ['pg, no rights', 'postgres', driver({ code: '42501' }), 'PERMISSION_DENIED', false],
  ['pg, wrong password', 'postgres', driver({ code: '28P01' }), 'PERMISSION_DENIED', false],
  ['pg, no such database', 'postgres', driver({ code: '3D000' }), 'DATABASE_MISSING', false],
  [
    'pg, no such table inside TypeORM',
    'postgres',
    wrapped({}, { driverError: driver({ code: '42P01' }) }),
    'SCHEMA_MISSING',
    false,
  ],
  ['pg, no such column', 'postgres', driver({ code: '42703' }), 'SCHEMA_OUTDATED', false],
  ['pg, a constraint of the application', 'postgres', driver({ code: '23514' }), 'STORE_FAILED', false],
  ['pg, RAISE EXCEPTION in a trigger', 'postgres', driver({ code: 'P0001' }), 'STORE_FAILED', false],
  ['pg, RAISE inside Prisma', 'postgres', driver({ code: 'P2010', originalCode: 'P0001' }), 'STORE_FAILED', false],
  ['pg, an SQLSTATE of the application', 'postgres', driver({ code: 'E0001' }), 'STORE_FAILED', false],
  ['pg, a fault of a program', 'postgres', new TypeError('x is not a function'), 'STORE_FAILED', false],
  ['mysql2, a deadlock', 'mysql', driver({ errno: 1213, code: 'ER_LOCK_DEADLOCK' }), 'TRANSACTION_CONFLICT', true],
  ['mysql2, a changed row', 'mysql', driver({ errno: 1020 }), 'TRANSACTION_CONFLICT', true],
  ['mysql2, a lock', 'mysql', driver({ errno: 1205 }), 'STORE_BUSY', true],
  [
    'mysql2, no such table inside Sequelize',
    'mysql',
    wrapped({}, { original: driver({ errno: 1146 }) }),
    'SCHEMA_MISSING',
    false,
  ],
  ['mysql2, no such database', 'mysql', driver({ errno: 1049 }), 'DATABASE_MISSING', false],
  ['mysql2, a url without a database', 'mysql', driver({ errno: 1046 }), 'DATABASE_MISSING', false],
  ['mysql2, no rights', 'mysql', driver({ errno: 1142 }), 'PERMISSION_DENIED', false],
  ['mysql2, read only', 'mysql', driver({ errno: 1290 }), 'STORE_READ_ONLY', true],
  ['mysql2, lost', 'mysql', driver({ code: 'PROTOCOL_CONNECTION_LOST', errno: -104 }), 'STORE_UNAVAILABLE', true],
  ['mysql2, killed', 'mysql', driver({ errno: 1927 }), 'STORE_UNAVAILABLE', true],
  ['mysql2, anything else', 'mysql', driver({ errno: 1062, sqlState: '23000' }), 'STORE_FAILED', false],
  ['Prisma, a conflict', 'postgres', driver({ code: 'P2034' }), 'TRANSACTION_CONFLICT', true],
  [
    'Prisma, a table that is not there',
    'mysql',
    driver({
      code: 'P2010',
      meta: { driverAdapterError: { cause: { originalCode: '1146', kind: 'TableDoesNotExist' } } },
    }),
    'SCHEMA_MISSING',
    false,
  ],
  ['Prisma, a database that is away', 'postgres', driver({ code: 'P1001' }), 'STORE_UNAVAILABLE', true],
  ['node:sqlite, busy', 'sqlite', driver({ code: 'ERR_SQLITE_ERROR', errcode: 5 }), 'STORE_BUSY', true],
  ['node:sqlite, an old snapshot', 'sqlite', driver({ errcode: 517 }), 'TRANSACTION_CONFLICT', true],
  ['better-sqlite3, locked', 'sqlite', driver({ code: 'SQLITE_LOCKED_SHAREDCACHE' }), 'STORE_BUSY', true],
  ['better-sqlite3, read only', 'sqlite', driver({ code: 'SQLITE_READONLY_DBMOVED' }), 'STORE_READ_ONLY', true],
  ['Bun, disk full', 'sqlite', driver({ code: 'SQLITE_FULL', errno: 13 }), 'STORE_UNAVAILABLE', true],
  ['SQLite, anything else', 'sqlite', driver({ errcode: 1 }), 'STORE_FAILED', false],
  ['no error at all', 'sqlite', undefined, 'STORE_FAILED', false],
]

describe('what an error of a database means', () => {
  for (const [name, dialect, error, code, retryable] of TABLE) {
    test(name, () => {
      const told = databaseError(dialect, error)
      assert.deepEqual([told.code, told.retryable, told.cause], [code, retryable, error], told.message)
      assert.doesNotMatch(told.message, /secret/)
      assert.equal(isRetryable(told), retryable)
    })
  }

  test('an error of ours stays as it is, and a ring of causes ends', () => {
    const ours = new BroadcasterError('CLOSED', 'closed')
    assert.equal(databaseError('postgres', ours), ours)
    const ring = new Error('ring')
    ring.cause = ring
    assert.equal(databaseError('postgres', ring).code, 'STORE_UNAVAILABLE')
    const hostile = Object.defineProperty(new Error('hostile'), 'code', {
      get() {
        throw new Error('no code for you')
      },
    })
    assert.equal(databaseError('sqlite', hostile).code, 'STORE_FAILED')
  })

  test("isRetryable knows the libraries' own errors", () => {
    for (const error of [driver({ code: '40001' }), wrapped(driver({ errno: 1213 })), driver({ code: 'P2034' })]) {
      assert.equal(isRetryable(error), true)
    }
    for (const error of [driver({ code: '23505' }), new Error('x'), undefined, 'text', null]) {
      assert.equal(isRetryable(error), false)
    }
  })
})

describe('SQLite, which has one code for everything', () => {
  test('before migrate, and while another connection writes', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'broadcaster-errors-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'a.db')
    using rival = new DatabaseSync(path)
    const own = new DatabaseSync(path, { timeout: 0 })
    const better = new BetterSqlite3(path, { timeout: 0 })
    t.after(() => own.close())
    t.after(() => better.close())
    const ways = [
      { tx: own, transaction: nodeSqliteTransaction(), exec: (sql: string) => own.exec(sql) },
      { tx: better, transaction: betterSqlite3Transaction(), exec: (sql: string) => better.exec(sql) },
    ]
    for (const { tx, transaction, exec } of ways) {
      const refused = (table: string, code: ErrorCode): void => {
        const store = sqlite({ path, table })
        const broadcaster = new Broadcaster<unknown, unknown>({
          store: store as Store,
          transaction: transaction as never,
          backends: { default: memoryBackend() },
        })
        exec('BEGIN')
        try {
          assert.throws(
            () => broadcaster.publishSync(tx, event),
            (error) => {
              assert.ok(error instanceof BroadcasterError && error.cause instanceof Error, String(error))
              assert.equal(error.code, code, error.message)
              return true
            },
          )
        } finally {
          exec('ROLLBACK')
        }
      }
      refused('nowhere_events', 'SCHEMA_MISSING')
      rival.exec('CREATE TABLE IF NOT EXISTS other_events (id)')
      // It is there, and is none of ours.
      refused('other_events', 'STORE_FAILED')
    }
  })

  test('a lock of another connection is STORE_BUSY', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'broadcaster-errors-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'a.db')
    const store = sqlite({ path })
    t.after(() => store.close())
    await store.schema.migrate()
    const own = new DatabaseSync(path, { timeout: 0 })
    t.after(() => own.close())
    using rival = new DatabaseSync(path)
    rival.exec('BEGIN IMMEDIATE')
    const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() } })
    own.exec('BEGIN')
    assert.throws(() => broadcaster.publishSync(own, event), { code: 'STORE_BUSY', retryable: true })
    await assert.rejects(broadcaster.publish(own, event), { code: 'STORE_BUSY', retryable: true })
    own.exec('ROLLBACK')
    rival.exec('ROLLBACK')
  })
})

test('a connection that the server has cut is STORE_UNAVAILABLE', { skip: skipWithout('postgres') }, async (t) => {
  const url = servers.postgres()?.url ?? ''
  const { pool, schema, close } = openPlace(url, 2)
  t.after(close)
  const store = postgres({ pool, schema })
  await store.schema.migrate()
  const broadcaster = new Broadcaster({ store, transaction: pgTransaction(), backends: { default: memoryBackend() } })
  const client = new Client(url)
  client.on('error', () => {})
  await client.connect()
  await client.query('BEGIN')
  const cut = client.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined)
  const publishing = broadcaster.publish(client, event)
  await assert.rejects(publishing, (error) => {
    assert.ok(error instanceof BroadcasterError, String(error))
    assert.ok(['STORE_UNAVAILABLE', 'TRANSACTION_ENDED'].includes(error.code), error.message)
    return true
  })
  await cut
  await client.end()
})

test('a wrong database or password is said in one line, by code', { skip: skipWithout('postgres') }, async () => {
  const url = new URL(servers.postgres()?.url ?? '')
  url.pathname = '/no_such_database'
  const store = postgres({ url: url.href })
  await assert.rejects(store.schema.check(), {
    code: 'DATABASE_MISSING',
    retryable: false,
    message: /correct its name/,
  })
  await store.close()
})

test('a wrong database of MariaDB', { skip: skipWithout('mariadb') }, async () => {
  const url = new URL(servers.mariadb()?.url ?? '')
  url.pathname = '/no_such_database'
  const store = mysql({ url: url.href })
  await assert.rejects(store.schema.check(), {
    code: 'DATABASE_MISSING',
    retryable: false,
    message: /correct its name/,
  })
  await store.close()
})
