import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { PGlite, type Transaction } from '@electric-sql/pglite'
import { createPool as createCallbackPool } from 'mysql2'
import { createPool, type Pool, type PoolConnection } from 'mysql2/promise'
import pg from 'pg'
import { type Mysql2Transaction, mysql2Transaction } from '../../src/store/mysql/mysql2-transaction.ts'
import { type PgTransaction, pgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { pgliteTransaction } from '../../src/store/postgres/pglite.ts'
import { betterSqlite3Transaction, nodeSqliteTransaction } from '../../src/store/sqlite/sync-transaction.ts'
import type { Statement } from '../../src/store/statement.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'

const sql = (strings: TemplateStringsArray, ...values: unknown[]): Statement => ({ strings, values })
const ADD = sql`select ${1}::int + ${2}::int as sum`

describe('pg', { skip: skipWithout('postgres') }, () => {
  let pool: pg.Pool
  let client: pg.PoolClient
  before(async () => {
    pool = new pg.Pool({ connectionString: servers.postgres()?.url, max: 2 })
    client = await pool.connect()
  })
  after(async () => {
    client.release()
    await pool.end()
  })

  for (const [name, hidden] of [
    ['pg >= 8.21', false],
    ['a pg whose client does not know its transaction', true],
  ] as const) {
    describe(name, () => {
      before(() => {
        if (hidden) Object.defineProperty(client, 'getTransactionStatus', { value: undefined, configurable: true })
      })
      after(() => {
        Reflect.deleteProperty(client, 'getTransactionStatus')
      })
      /** `check` and `execute`, as publish calls them. */
      const run = async (adapter = pgTransaction(), tx: PgTransaction = client) => {
        adapter.check(tx)
        return adapter.execute(tx, ADD)
      }

      test('runs a statement in an open transaction, in a savepoint, and after one was rolled back', async () => {
        await client.query('BEGIN')
        assert.deepEqual(await run(), [{ sum: 3 }])
        await client.query('SAVEPOINT s')
        assert.deepEqual(await run(), [{ sum: 3 }])
        await assert.rejects(client.query('select 1/0'))
        await assert.rejects(run(), { code: 'TRANSACTION_ABORTED', field: 'tx', message: /roll back/ })
        await client.query('ROLLBACK TO s')
        assert.deepEqual(await run(), [{ sum: 3 }])
        await client.query('ROLLBACK')
      })

      test('refuses a client that is in no transaction', async () => {
        await assert.rejects(run(), { code: 'NOT_A_TRANSACTION', field: 'tx', message: /BEGIN/ })
      })

      test('refuses a client whose transaction ended', async (t) => {
        const adapter = pgTransaction()
        for (const end of ['COMMIT', 'ROLLBACK']) {
          await client.query('BEGIN')
          await run(adapter)
          await client.query(end)
          await t.test(end, () => assert.rejects(run(adapter), { code: 'TRANSACTION_ENDED', field: 'tx' }))
        }
      })

      test('refuses a pool and what is no client', async () => {
        await assert.rejects(run(undefined, pool as unknown as PgTransaction), {
          code: 'NOT_A_TRANSACTION',
          message: /is a pg pool, .*pool\.connect\(\)/,
        })
        for (const wrong of [undefined, null, {}, 'tx', 7]) {
          await assert.rejects(run(undefined, wrong as unknown as PgTransaction), { code: 'NOT_A_TRANSACTION' })
        }
      })
    })
  }

  test('tells when the transaction ended before the statement was its turn', async () => {
    const adapter = pgTransaction()
    await client.query('BEGIN')
    adapter.check(client)
    const committed = client.query('COMMIT')
    await assert.rejects(adapter.execute(client, ADD), { code: 'TRANSACTION_ENDED', message: /await each query/ })
    await committed
  })

  test('a client that never connected is no transaction', () => {
    assert.throws(() => pgTransaction().check(new pg.Client()), { code: 'NOT_A_TRANSACTION' })
  })
})

describe('PGlite', () => {
  let db: PGlite
  before(async () => {
    db = await PGlite.create()
  })
  after(() => db.close())
  const adapter = pgliteTransaction()

  test('runs a statement in an open transaction, and refuses it afterwards', async () => {
    let ended: Transaction | undefined
    const sum = await db.transaction(async (tx) => {
      ended = tx
      adapter.check(tx)
      return adapter.execute(tx, ADD)
    })
    assert.deepEqual(sum, [{ sum: 3 }])
    assert.ok(ended)
    const tx = ended
    assert.throws(() => adapter.check(tx), { code: 'TRANSACTION_ENDED', field: 'tx' })
  })

  test('refuses the instance itself', () => {
    for (const wrong of [db, undefined, {}]) {
      assert.throws(() => adapter.check(wrong as unknown as Transaction), {
        code: 'NOT_A_TRANSACTION',
        message: /db\.transaction\(\)/,
      })
    }
  })
})

for (const { name, title } of MYSQL_SERVERS) {
  describe(`mysql2 on ${title}`, { skip: skipWithout(name) }, () => {
    const MYSQL_ADD = sql`select ${1} + ${2} as sum, ${"it's \\ ?"} as text`
    const ADDED = [{ sum: 3, text: "it's \\ ?" }]
    let pool: Pool
    let connection: PoolConnection
    before(async () => {
      pool = createPool({ uri: servers[name]()?.url ?? '', connectionLimit: 2 })
      connection = await pool.getConnection()
    })
    after(async () => {
      connection.release()
      await pool.end()
    })
    const run = async (adapter = mysql2Transaction(), tx: Mysql2Transaction = connection) => {
      adapter.check(tx)
      return adapter.execute(tx, MYSQL_ADD)
    }

    for (const begin of ['BEGIN', 'START TRANSACTION READ ONLY', 'SET autocommit = 0']) {
      test(`runs a statement after ${begin}, in a savepoint, and after one was rolled back`, async () => {
        await connection.query(begin)
        assert.deepEqual(await run(), ADDED)
        await connection.query('SAVEPOINT s')
        assert.deepEqual(await run(), ADDED)
        await connection.query('ROLLBACK TO SAVEPOINT s')
        assert.deepEqual(await run(), ADDED)
        await connection.query('ROLLBACK')
        await connection.query('SET autocommit = 1')
      })
    }

    test('refuses a connection that is in no transaction', async () => {
      await assert.rejects(run(), { code: 'NOT_A_TRANSACTION', field: 'tx', message: /beginTransaction/ })
    })

    test('refuses a connection whose transaction ended, also by a DDL statement', async (t) => {
      const adapter = mysql2Transaction()
      for (const end of [
        'COMMIT',
        'ROLLBACK',
        'CREATE OR REPLACE VIEW broadcaster_ddl AS SELECT 1',
        'LOCK TABLES mysql.user READ',
      ]) {
        await connection.beginTransaction()
        await run(adapter)
        await connection.query(end)
        await t.test(end, () => assert.rejects(run(adapter), { code: 'TRANSACTION_ENDED', field: 'tx' }))
        await connection.query('UNLOCK TABLES')
      }
      await connection.query('DROP VIEW broadcaster_ddl')
    })

    test('refuses when a COMMIT that nobody awaited goes before', async () => {
      const adapter = mysql2Transaction()
      await connection.beginTransaction()
      await run(adapter)
      const committed = connection.commit()
      await assert.rejects(run(adapter), { code: 'TRANSACTION_ENDED' })
      await committed
    })

    test('refuses a pool, what calls back and what is no connection', async () => {
      await assert.rejects(run(undefined, pool as unknown as Mysql2Transaction), {
        code: 'NOT_A_TRANSACTION',
        message: /is a mysql2 pool, .*pool\.getConnection\(\)/,
      })
      const callback = createCallbackPool(servers[name]()?.url ?? '')
      const { promise, resolve } = Promise.withResolvers<unknown>()
      callback.getConnection((_error, given) => resolve(given))
      await assert.rejects(run(undefined, (await promise) as Mysql2Transaction), { message: /connection\.promise\(\)/ })
      callback.end(() => undefined)
      for (const wrong of [undefined, null, {}, 'tx', 7]) {
        await assert.rejects(run(undefined, wrong as unknown as Mysql2Transaction), { code: 'NOT_A_TRANSACTION' })
      }
    })
  })
}

const SQLITE_ADD = sql`select ${1} + ${2} as sum`

describe('node:sqlite', () => {
  const run = (adapter: ReturnType<typeof nodeSqliteTransaction>, db: DatabaseSync) => {
    adapter.check(db)
    return adapter.executeSync(db, SQLITE_ADD).map((row) => ({ ...row }))
  }

  test('runs a statement in an open transaction, with and without a promise', async () => {
    using db = new DatabaseSync(':memory:')
    const adapter = nodeSqliteTransaction()
    db.exec('BEGIN')
    assert.deepEqual(run(adapter, db), [{ sum: 3 }])
    assert.deepEqual({ ...(await adapter.execute(db, SQLITE_ADD))[0] }, { sum: 3 })
    db.exec('COMMIT')
  })

  test('refuses a database in no transaction, one whose transaction ended, and what is no database', () => {
    using db = new DatabaseSync(':memory:')
    const adapter = nodeSqliteTransaction()
    assert.throws(() => run(adapter, db), { code: 'NOT_A_TRANSACTION', field: 'tx', message: /BEGIN IMMEDIATE/ })
    for (const end of ['COMMIT', 'ROLLBACK']) {
      db.exec('BEGIN')
      run(adapter, db)
      db.exec(end)
      assert.throws(() => run(adapter, db), { code: 'TRANSACTION_ENDED', field: 'tx' })
    }
    for (const wrong of [undefined, null, {}, 'db']) {
      assert.throws(() => run(adapter, wrong as unknown as DatabaseSync), { code: 'NOT_A_TRANSACTION' })
    }
  })

  test('a database that was closed and opened again', () => {
    using db = new DatabaseSync(':memory:')
    const adapter = nodeSqliteTransaction()
    for (let round = 0; round < 2; round++) {
      db.exec('BEGIN')
      assert.deepEqual(run(adapter, db), [{ sum: 3 }])
      db.exec('COMMIT')
      db.close()
      db.open()
    }
  })
})

describe('better-sqlite3', () => {
  /** The shape of better-sqlite3 on a real SQLite. */
  const database = (db: DatabaseSync) => ({
    get inTransaction() {
      return db.isTransaction
    },
    prepare(text: string) {
      const statement = db.prepare(text)
      const bind = (values: unknown[]) => values as (string | number | null)[]
      return {
        reader: statement.columns().length > 0,
        all: (...values: unknown[]) => statement.all(...bind(values)),
        run: (...values: unknown[]) => statement.run(...bind(values)),
      }
    },
  })

  test('runs statements with and without rows in an open transaction; refuses any other', async () => {
    using db = new DatabaseSync(':memory:')
    const tx = database(db)
    const adapter = betterSqlite3Transaction()
    assert.throws(() => adapter.check(tx), { code: 'NOT_A_TRANSACTION', message: /db\.transaction/ })
    db.exec('BEGIN')
    adapter.check(tx)
    assert.deepEqual(adapter.executeSync(tx, sql`create table t (n)`), [])
    assert.deepEqual(await adapter.execute(tx, sql`insert into t values (${5})`), [])
    assert.deepEqual(
      adapter.executeSync(tx, sql`select n from t`).map((row) => ({ ...row })),
      [{ n: 5 }],
    )
    db.exec('ROLLBACK')
    assert.throws(() => adapter.check(tx), { code: 'TRANSACTION_ENDED' })
    assert.throws(() => adapter.check(undefined as unknown as typeof tx), { code: 'NOT_A_TRANSACTION' })
  })
})
