import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createConnection, type PoolConnection, type RowDataPacket } from 'mysql2/promise'
import pg from 'pg'
import { z } from 'zod'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { Publisher } from '../../src/publish/publisher.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { openPlace } from '../store/postgres-place.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { publisherOn } from '../support/publisher.ts'
import { servers, skipWithout } from '../support/servers.ts'

/**
 * The promise "atomic": exactly the events of committed transactions are stored and delivered. Each event is published beside a row
 * of business data, which the database itself keeps atomic, so the two tables must agree in the end.
 */
const TRANSACTIONS = 1000

/** An open transaction of any client. */
interface Session {
  readonly tx: unknown
  exec(sql: string): Promise<void>
}

/** Runs work in a transaction, and ends it as the work says. */
type Transact = (n: number, work: (session: Session) => Promise<'commit' | 'rollback'>) => Promise<void>

/** Numbers from a seed, so that a failure can be run again. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
}

interface Tally {
  readonly committed: Set<string>
  rolledBack: number
  savepointsRolledBack: number
  mostOpen: number
}

async function overlap(
  t: TestContext,
  publisher: Publisher<unknown>,
  business: string,
  transact: Transact,
): Promise<Tally> {
  const seed = randomInt(2 ** 31)
  t.diagnostic(`seed ${seed}`)
  const tally: Tally = { committed: new Set(), rolledBack: 0, savepointsRolledBack: 0, mostOpen: 0 }
  let open = 0

  const one = async (n: number): Promise<void> => {
    const roll = dice(seed + n * 7919)
    const kept: string[] = []
    const commits = n % 3 !== 0
    await transact(n, async ({ tx, exec }) => {
      // It may be its second run.
      kept.length = 0
      tally.mostOpen = Math.max(tally.mostOpen, ++open)
      const add = async (into: string[]): Promise<void> => {
        const events = Array.from({ length: 1 + roll(3) }, () => ({
          type: 'order.created',
          source: '/orders',
          data: { n },
        }))
        for (const event of await publisher.publishMany(tx, events)) {
          await exec(`INSERT INTO ${business} VALUES ('${event.id}')`)
          into.push(event.id)
        }
      }
      try {
        for (let step = roll(5); step >= 0; step--) {
          for (let pause = roll(4); pause > 0; pause--) await setImmediate()
          if (roll(3) > 0) {
            await add(kept)
            continue
          }
          const inside: string[] = []
          await exec('SAVEPOINT s')
          await add(inside)
          if (roll(2) === 0) {
            await exec('SAVEPOINT deeper')
            await add([])
            await exec('ROLLBACK TO SAVEPOINT deeper')
          }
          if (roll(2) === 0) {
            await exec('RELEASE SAVEPOINT s')
            kept.push(...inside)
          } else {
            await exec('ROLLBACK TO SAVEPOINT s')
            tally.savepointsRolledBack++
          }
        }
        return commits ? 'commit' : 'rollback'
      } finally {
        open--
      }
    })
    if (commits) for (const id of kept) tally.committed.add(id)
    else tally.rolledBack++
  }

  const outcomes = await Promise.allSettled(Array.from({ length: TRANSACTIONS }, (_, n) => one(n)))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return tally
}

/** A worker that delivers while the transactions run; `of` waits for so many arrivals, stops it and tells them. */
async function deliver(store: Store) {
  const arrived: string[] = []
  let look = (): void => {}
  const backend = eachEvent((event) => {
    arrived.push(event.id)
    look()
  })
  const broadcaster = new Broadcaster({ store, backends: { default: backend } })
  const worker = broadcaster.worker({ retention: false })
  await worker.start()
  return {
    async of(count: number): Promise<readonly string[]> {
      await new Promise<void>((resolve) => {
        look = () => (arrived.length >= count ? resolve() : undefined)
        look()
      })
      // What should not arrive would be read by this, too.
      await worker.stop()
      await broadcaster.processPendingEvents()
      return arrived
    },
  }
}

async function verify(
  store: Store,
  tally: Tally,
  business: readonly string[],
  arrived: readonly string[],
): Promise<void> {
  const rows = await store.admin.list({ where: [], order: [], limit: null, offset: 0, columns: ['id', 'status'] })
  const stored = rows.map((row) => row.id ?? '')
  assert.deepEqual(stored.toSorted(), [...tally.committed].toSorted(), 'the events stored are those committed')
  assert.deepEqual(business.toSorted(), stored.toSorted(), 'and so is the business data')
  assert.deepEqual(arrived.toSorted(), stored.toSorted(), 'and so are the events that arrived, each once')
  assert.ok(rows.every((row) => row.status === 'published'))
  // The controls: there was something to lose and to leak, and the transactions did overlap.
  assert.ok(tally.committed.size > TRANSACTIONS / 2)
  assert.equal(tally.rolledBack, Math.ceil(TRANSACTIONS / 3))
  assert.ok(tally.savepointsRolledBack > 100)
}

describe('PostgreSQL', { skip: skipWithout('postgres') }, () => {
  test('exactly the committed events are stored and arrive, of 1,000 overlapping transactions', async (t) => {
    const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 16)
    const store = postgres({ pool, schema }) as Store
    try {
      await store.schema.migrate()
      await pool.query(`CREATE TABLE ${schema}.orders (id text)`)
      const arrivals = await deliver(store)
      const tally = await overlap(t, publisherOn(store), `${schema}.orders`, async (_n, work) => {
        const client = await pool.connect()
        try {
          await client.query('BEGIN')
          const exec = async (sql: string): Promise<void> => void (await client.query(sql))
          await client.query((await work({ tx: client, exec })) === 'commit' ? 'COMMIT' : 'ROLLBACK')
          client.release()
        } catch (error) {
          // Closing the connection rolls back: one that went back to the pool as it is would block the clean-up.
          client.release(true)
          throw error
        }
      })
      const { rows } = await pool.query<{ id: string }>(`SELECT id FROM ${schema}.orders`)
      await verify(
        store,
        tally,
        rows.map((row) => row.id),
        await arrivals.of(tally.committed.size),
      )
      assert.ok(tally.mostOpen > 8, `${tally.mostOpen} were open at once`)
    } finally {
      await store.close()
      await close()
    }
  })

  test('a commit that fails and a transaction that was aborted leave nothing', async () => {
    const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 2)
    const store = postgres({ pool, schema }) as Store
    const publisher = publisherOn(store)
    const client = new pg.Client({ connectionString: servers.postgres()?.url })
    const publish = () => publisher.publish(client, { type: 't', source: '/s' })
    try {
      await store.schema.migrate()
      await client.connect()
      await client.query('CREATE TEMPORARY TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
      await client.query('BEGIN')
      await client.query('INSERT INTO once VALUES (1), (1)')
      await publish()
      await assert.rejects(client.query('COMMIT'), { code: '23505' })
      // The failure is known before the server has said that the transaction is over.
      await assert.rejects(publish(), { code: 'TRANSACTION_ENDED' })
      await client.query('BEGIN')
      await publish()
      await assert.rejects(client.query('SELECT 1/0'))
      await assert.rejects(publish(), { code: 'TRANSACTION_ABORTED' })
      await assert.rejects(publish(), { code: 'TRANSACTION_ABORTED' })
      await client.query('COMMIT')
      // A ROLLBACK that nobody awaited: the client still believes that it is in a transaction.
      await client.query('BEGIN')
      const rolledBack = client.query('ROLLBACK')
      await assert.rejects(publish(), { code: 'TRANSACTION_ENDED', message: /await each query/ })
      await rolledBack
      assert.equal(await store.admin.count([]), 0)
    } finally {
      await client.end()
      await store.close()
      await close()
    }
  })

  test('a pool, a client outside a transaction and a finished transaction are refused, and write nothing', async () => {
    const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 2)
    const store = postgres({ pool, schema }) as Store
    const publisher = publisherOn(store)
    const event = { type: 'order.created', source: '/orders' }
    const client = new pg.Client({ connectionString: servers.postgres()?.url })
    try {
      await store.schema.migrate()
      await client.connect()
      await assert.rejects(publisher.publish(pool, event), { code: 'NOT_A_TRANSACTION', message: /is a pg pool/ })
      await assert.rejects(publisher.publish(client, event), { code: 'NOT_A_TRANSACTION', message: /BEGIN/ })
      await client.query('BEGIN')
      await publisher.publish(client, event)
      await client.query('ROLLBACK')
      await assert.rejects(publisher.publish(client, event), { code: 'TRANSACTION_ENDED', message: /has ended/ })
      assert.equal(await store.admin.count([]), 0)
      // The control: the same call, inside a transaction.
      await client.query('BEGIN')
      await publisher.publish(client, event)
      await client.query('COMMIT')
      assert.equal(await store.admin.count([]), 1)
    } finally {
      await client.end()
      await store.close()
      await close()
    }
  })
})

for (const { name, title } of MYSQL_SERVERS) {
  describe(title, { skip: skipWithout(name) }, () => {
    for (const level of ['REPEATABLE READ', 'READ COMMITTED']) {
      test(`exactly the committed events are stored and arrive, of 1,000 overlapping transactions at ${level}`, async (t) => {
        const { pool, close } = await openMysqlPlace(servers[name]()?.url ?? '', { connectionLimit: 16 })
        const store = mysql({ pool }) as Store
        try {
          await store.schema.migrate()
          await pool.query('CREATE TABLE orders (id char(36))')
          const arrivals = await deliver(store)
          const keepsGaps = name === 'mysql' && level === 'REPEATABLE READ'
          let deadlocks = 0
          const tally = await overlap(t, publisherOn(store), 'orders', async (_n, work) => {
            const connection = await pool.getConnection()
            const exec = async (sql: string): Promise<void> => void (await connection.query(sql))
            try {
              for (;;) {
                await connection.query(`SET TRANSACTION ISOLATION LEVEL ${level}`)
                await connection.beginTransaction()
                try {
                  await connection.query((await work({ tx: connection, exec })) === 'commit' ? 'COMMIT' : 'ROLLBACK')
                  break
                } catch (error) {
                  if (!keepsGaps || !isDeadlock(error)) throw error
                  deadlocks++
                }
              }
              connection.release()
            } catch (error) {
              connection.destroy()
              throw error
            }
          })
          if (keepsGaps) t.diagnostic(`${deadlocks} deadlocks`)
          const [rows] = await pool.query<RowDataPacket[]>('SELECT id FROM orders')
          const business = rows.map((row) => String(row['id']))
          await verify(store, tally, business, await arrivals.of(tally.committed.size))
          assert.ok(tally.mostOpen > 8, `${tally.mostOpen} were open at once`)
        } finally {
          await store.close()
          await close()
        }
      })
    }

    for (const level of ['REPEATABLE READ', 'READ COMMITTED']) {
      // MySQL keeps the place locked where a row was that a savepoint has rolled back, whatever the table.
      const waits = name === 'mysql' && level === 'REPEATABLE READ'
      const who = waits ? 'keeps others from publishing until the transaction ends' : 'keeps nobody from publishing'
      test(`a savepoint that was rolled back ${who} at ${level}`, async () => {
        const { pool, close } = await openMysqlPlace(servers[name]()?.url ?? '')
        const store = mysql({ pool }) as Store
        const publisher = publisherOn(store)
        const event = { type: 'order.created', source: '/orders' }
        try {
          await store.schema.migrate()
          const [one, other] = [await pool.getConnection(), await pool.getConnection()]
          for (const connection of [one, other]) {
            await connection.query(`SET SESSION innodb_lock_wait_timeout = 1`)
            await connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${level}`)
            await connection.beginTransaction()
          }
          await publisher.publish(one, event)
          await one.query('SAVEPOINT s')
          await publisher.publish(one, event)
          await one.query('ROLLBACK TO SAVEPOINT s')
          const publishing = publisher.publish(other, event)
          if (waits) await assert.rejects(publishing, { code: 'STORE_BUSY' })
          else await publishing
          await one.commit()
          await publisher.publish(other, event)
          await other.commit()
          for (const connection of [one, other]) connection.destroy()
          assert.equal(await store.admin.count([]), waits ? 2 : 3)
        } finally {
          await store.close()
          await close()
        }
      })
    }

    test('a pool, a connection outside a transaction and one whose transaction ended are refused, and write nothing', async () => {
      const { pool, url, close } = await openMysqlPlace(servers[name]()?.url ?? '')
      const store = mysql({ pool }) as Store
      const publisher = publisherOn(store)
      const event = { type: 'order.created', source: '/orders' }
      const connection = await createConnection(url)
      const publish = (tx: unknown = connection) => publisher.publish(tx, event)
      try {
        await store.schema.migrate()
        await assert.rejects(publish(pool), { code: 'NOT_A_TRANSACTION', message: /is a mysql2 pool/ })
        await assert.rejects(publish(), { code: 'NOT_A_TRANSACTION', message: /beginTransaction/ })
        await connection.beginTransaction()
        await publish()
        await connection.rollback()
        await assert.rejects(publish(), { code: 'TRANSACTION_ENDED', message: /has ended/ })
        // A ROLLBACK that nobody awaited.
        await connection.beginTransaction()
        const rolledBack = connection.rollback()
        await assert.rejects(publish(), { code: 'TRANSACTION_ENDED' })
        await rolledBack
        // DDL commits what was published before it, and what comes after it is in no transaction.
        await connection.beginTransaction()
        await publish()
        await connection.query('CREATE TABLE made_in_between (n int)')
        await assert.rejects(publish(), { code: 'TRANSACTION_ENDED', message: /DDL/ })
        await connection.rollback()
        assert.equal(await store.admin.count([]), 1)
        // An error in the middle ends the statement and not the transaction.
        await connection.beginTransaction()
        await assert.rejects(connection.query('SELECT * FROM nothing_there'))
        await publish()
        await connection.commit()
        assert.equal(await store.admin.count([]), 2)
        let ended: PoolConnection | undefined
        await store.transaction(async (tx) => {
          ended = tx as PoolConnection
          await publish(tx)
        })
        await assert.rejects(publish(ended), { code: 'TRANSACTION_ENDED' })
        assert.equal(await store.admin.count([]), 3)
      } finally {
        await connection.end()
        await store.close()
        await close()
      }
    })
  })
}

describe('SQLite', () => {
  /** The outbox and connections of an application's own on one file. */
  async function openFile(connections: number) {
    const folder = mkdtempSync(join(tmpdir(), 'broadcaster-atomic-'))
    const path = join(folder, 'shop.db')
    // Patience for a slow machine: connections that only ask again and again are not fair to each other.
    const store = sqlite({ path, busyTimeout: 120_000 }) as Store
    await store.schema.migrate()
    const own = Array.from({ length: connections }, () => new DatabaseSync(path, { timeout: 0 }))
    for (const database of own) database.exec('PRAGMA synchronous = NORMAL')
    own[0]?.exec('CREATE TABLE orders (id TEXT)')
    return {
      store,
      own,
      async close() {
        for (const database of own) database.close()
        await store.close()
        rmSync(folder, { recursive: true })
      },
    }
  }

  test('exactly the committed events are stored and arrive, of 1,000 overlapping transactions', async (t) => {
    const { store, own, close } = await openFile(4)
    try {
      const idle = [...own]
      const arrivals = await deliver(store)
      const tally = await overlap(t, publisherOn(store), 'orders', async (n, work) => {
        // Half on the store's own connection, half on the application's, which compete for the one write lock.
        if (n % 2 === 0) return onStore(store, work)
        let database = idle.pop()
        while (database === undefined) {
          await setImmediate()
          database = idle.pop()
        }
        await onDatabase(database, work)
        idle.push(database)
      })
      const rows = own[0]?.prepare('SELECT id FROM orders').all() ?? []
      await verify(
        store,
        tally,
        rows.map((row) => String(row['id'])),
        await arrivals.of(tally.committed.size),
      )
    } finally {
      await close()
    }
  })

  test('a database outside a transaction and a finished transaction are refused, and write nothing', async () => {
    const { store, own, close } = await openFile(1)
    const publisher = publisherOn(store)
    const event = { type: 'order.created', source: '/orders' }
    const [database] = own
    try {
      await assert.rejects(publisher.publish(database, event), {
        code: 'NOT_A_TRANSACTION',
        message: /BEGIN IMMEDIATE/,
      })
      database?.exec('BEGIN')
      publisher.publishSync(database, event)
      database?.exec('ROLLBACK')
      assert.throws(() => publisher.publishSync(database, event), { code: 'TRANSACTION_ENDED', message: /has ended/ })
      // An asynchronous schema is at work while the transaction ends.
      database?.exec('BEGIN')
      const late = publisherOn(store, undefined, { slow: z.number().refine(async () => true) })
      const pending = late.publish(database, { type: 'slow', source: '/s', data: 1 })
      database?.exec('ROLLBACK')
      await assert.rejects(pending, { code: 'TRANSACTION_ENDED' })
      let ended: unknown
      await store.transaction(async (tx) => {
        ended = tx
      })
      await assert.rejects(publisher.publish(ended, event))
      assert.equal(await store.admin.count([]), 0)
      database?.exec('BEGIN')
      publisher.publishSync(database, event)
      database?.exec('COMMIT')
      assert.equal(await store.admin.count([]), 1)
    } finally {
      await close()
    }
  })
})

/** As `publish` tells of it, or as mysql2 does. */
function isDeadlock(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown }
  return code === 'TRANSACTION_CONFLICT' || code === 'ER_LOCK_DEADLOCK'
}

type Work = (session: Session) => Promise<'commit' | 'rollback'>

class RolledBackError extends Error {}

async function onStore(store: Store, work: Work): Promise<void> {
  try {
    await store.transaction(async (tx) => {
      const exec = async (sql: string): Promise<void> => (tx as { exec(sql: string): void }).exec(sql)
      if ((await work({ tx, exec })) === 'rollback') throw new RolledBackError()
    })
  } catch (error) {
    if (!(error instanceof RolledBackError)) throw error
  }
}

async function onDatabase(database: DatabaseSync, work: Work): Promise<void> {
  for (;;) {
    try {
      database.exec('BEGIN IMMEDIATE')
      break
    } catch (error) {
      // SQLITE_BUSY: another connection is writing. Waiting inside SQLite would stop it, since all share one thread.
      if (!(error instanceof Error && 'errcode' in error && error.errcode === 5)) throw error
      await setImmediate()
    }
  }
  database.exec(
    (await work({ tx: database, exec: async (sql) => database.exec(sql) })) === 'commit' ? 'COMMIT' : 'ROLLBACK',
  )
}
