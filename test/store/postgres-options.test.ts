import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PGlite } from '@electric-sql/pglite'
import { Client, Pool, types } from 'pg'
import { encodeValue } from '../../src/store/postgres/client.ts'
import type { PostgresOptions } from '../../src/store/postgres/options.ts'
import type { PgPool } from '../../src/store/postgres/pg-client.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import type { PgliteTransaction } from '../../src/store/postgres/pglite.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { runAgainOnConflict } from '../../src/store/postgres/store-error.ts'
import type { Store } from '../../src/store/store.ts'
import { fetchAll, insertOne, own, read, until } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './postgres-place.ts'

const url = servers.postgres()?.url ?? ''

/** Compiled: what fits as a pool, and which transaction a store of each client takes. */
export const fits = (pool: Pool, pglite: PGlite): readonly [PgPool, Store<PgTransaction>, Store<PgliteTransaction>] => [
  pool,
  postgres({ pool }),
  postgres({ pglite }),
]
// @ts-expect-error a single client is no pool: transactions on it would mix
export const refused = (client: Client): PgPool => client

function refuses(options: unknown, field: string, message: RegExp): void {
  assert.throws(() => postgres(options as PostgresOptions & { pool: PgPool }), {
    code: 'INVALID_OPTION',
    field,
    message,
  })
}

describe('options of postgres()', () => {
  const pool = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' })

  test('one way to connect, and no more', () => {
    refuses({}, 'pool', /give one of pool, pglite and url/)
    refuses({ pool, url: 'postgres://x' }, 'pool', /given together with url/)
    refuses({ pool: new Client() }, 'pool', /give a Pool/)
    refuses({ pool: { query() {} } }, 'pool', /give a Pool/)
    refuses({ url: 7 }, 'url', /give a URL/)
    refuses({ pglite: pool }, 'pglite', /give a PGlite instance/)
  })

  test('unknown options are refused with a suggestion, all problems at once', () => {
    refuses({ pool, tabel: 'x' }, 'tabel', /did you mean "table"/)
    refuses({ pool, colour: 'x' }, 'colour', /the options are pool, pglite/)
    refuses({ pool, tabel: 'x', listen: 5 }, 'tabel', /tabel[\s\S]*listen/)
  })

  test('no more handlers at once than the pool has room for', () => {
    const small = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none', max: 4 })
    refuses({ pool: small, transactions: 3 }, 'transactions', /has 4 connections, one of which listens.*give at most 2/)
    refuses({ pool: small, listen: false, transactions: 4 }, 'transactions', /has 4 connections: .*give at most 3/)
    postgres({ pool: small, transactions: 2 })
    for (const max of [1, 2, 3]) postgres({ pool: new Pool({ max }), transactions: 1 })
  })

  test('names are plain identifiers', () => {
    for (const table of ['', 'a b', 'x"; DROP TABLE y; --', '1a', 'a'.repeat(41), 'ä']) {
      refuses({ pool, table }, 'table', /letters, digits and underscores/)
    }
    refuses({ pool, schema: 'a.b' }, 'schema', /letters, digits and underscores/)
    assert.equal(postgres({ pool, schema: 'Sales', table: 'outbox' }).description, 'postgres Sales.outbox')
  })

  test('listen', () => {
    for (const listen of ['yes', {}, { url: 'x', other: 1 }, null]) {
      refuses({ pool, listen }, 'listen', /give true, false/)
    }
    assert.equal(postgres({ pool, listen: false }).wake, undefined)
    assert.notEqual(postgres({ pool }).wake, undefined)
    refuses({ pglite: { query() {}, transaction() {}, listen() {} }, listen: { url: 'x' } }, 'listen', /one connection/)
  })

  test('a pool with one connection is left it: relays poll, unless they listen elsewhere', () => {
    const one = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none', max: 1 })
    assert.equal(postgres({ pool: one }).wake, undefined)
    refuses({ pool: one, listen: true }, 'listen', /the only connection of the pool/)
    assert.notEqual(postgres({ pool: one, listen: { url: 'postgres://x' } }).wake, undefined)
  })

  test('a server that cannot be reached is unavailable, which is retryable', async () => {
    const store = postgres({ url: 'postgres://nobody@127.0.0.1:1/none' })
    await assert.rejects(store.admin.count([]), { code: 'STORE_UNAVAILABLE', retryable: true })
    await assert.rejects(
      store.transaction(async () => {}),
      { code: 'STORE_UNAVAILABLE' },
    )
    await store.close()
    await store.close()
    await assert.rejects(store.admin.count([]), { code: 'CLOSED' })
  })

  test('values reach the server as they are', () => {
    assert.equal(
      encodeValue(['a', 'b c', '"', '\\', '', 'null', 'NULL', null, 'x,y', '{}']),
      '{a,"b c","\\"","\\\\","","null","NULL",NULL,"x,y","{}"}',
    )
    assert.equal(encodeValue([1, 2.5]), '{1,2.5}')
    assert.equal(encodeValue(true), 'true')
    assert.equal(encodeValue(null), null)
  })

  test('a statement that lost a race is run again, but not for ever', async () => {
    const lost = Object.assign(new Error('deadlock detected'), { code: '40P01' })
    let runs = 0
    assert.equal(
      await runAgainOnConflict(async () => {
        if (++runs < 3) throw lost
        return runs
      }),
      3,
    )
    await assert.rejects(
      runAgainOnConflict(() => Promise.reject(lost)),
      { code: 'STORE_BUSY', cause: lost },
    )
    const other = Object.assign(new Error('permission denied'), { code: '42501' })
    await assert.rejects(
      runAgainOnConflict(() => Promise.reject(other)),
      { code: 'PERMISSION_DENIED', cause: other },
    )
  })
})

describe('clients of PostgreSQL', { skip: skipWithout('postgres') }, () => {
  test('type parsers that the user has set change nothing', async () => {
    const { pool, schema, close } = openPlace(url)
    const before = new Map([20, 21, 23, 25, 114, 1043, 1184, 2950].map((type) => [type, types.getTypeParser(type)]))
    const surprise = (): void => {
      for (const type of before.keys()) types.setTypeParser(type, () => ({ surprise: true }))
    }
    const restore = (): void => {
      for (const [type, parser] of before) types.setTypeParser(type, parser as (text: string) => unknown)
    }
    try {
      surprise()
      const store = postgres({ pool, schema, listen: false })
      await store.schema.migrate({ lanes: 4 })
      const { ownership } = await own(store)
      restore()
      const { id } = await insertOne(store, { data: '{"n":1}' })
      surprise()
      const [row] = await fetchAll(store)
      assert.equal(row?.id, id)
      assert.equal(row?.data, '{"n":1}')
      assert.equal(typeof row?.seq, 'number')
      assert.ok(row?.createdAt instanceof Date)
      assert.deepEqual(
        (await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id, lane: row?.lane ?? 0 }])).lost,
        [],
      )
      assert.equal((await read(store, id)).status, 'published')
    } finally {
      restore()
      await close()
    }
  })

  test('DateStyle and TimeZone of the session change nothing', async () => {
    const { pool, schema, close } = openPlace(
      `${url}?options=-c%20DateStyle%3DSQL%2CDMY%20-c%20TimeZone%3DAsia%2FKolkata`,
    )
    try {
      const store = postgres({ pool, schema, listen: false })
      await store.schema.migrate({ lanes: 4 })
      const scheduledAt = new Date('2031-02-03T04:05:06.789Z')
      const { id, availableAt } = await insertOne(store, { scheduledAt })
      assert.equal(availableAt?.getTime(), scheduledAt.getTime())
      assert.equal((await read(store, id)).scheduledAt.getTime(), scheduledAt.getTime())
      assert.equal(await store.admin.count([{ column: 'scheduledAt', op: 'eq', value: scheduledAt }]), 1)
    } finally {
      await close()
    }
  })

  test('a connection string opens a pool of our own, and close ends it', async () => {
    const { pool, schema, close } = openPlace(url)
    try {
      const store = postgres({ url, schema, listen: false })
      await store.schema.migrate({ lanes: 4 })
      await insertOne(store)
      await store.admin.count([])
      const open = `SELECT FROM pg_stat_activity WHERE application_name = 'ts-broadcaster' AND query LIKE '%' || $1 || '%'`
      assert.equal((await pool.query(open, [schema])).rows.length, 1)
      await store.close()
      // The server notices the end of a connection by itself, a moment later.
      await until('its connection is gone', async () => (await pool.query(open, [schema])).rows.length === 0)
      await assert.rejects(insertOne(store), { code: 'CLOSED' })
    } finally {
      await close()
    }
  })

  test('listen: on a connection of the pool, on one of its own, on one of a function', async () => {
    const { pool, schema, close } = openPlace(url)
    try {
      await postgres({ pool, schema }).schema.migrate({ lanes: 4 })
      let made = 0
      const make = async () => {
        made++
        const client = new Client({ connectionString: url })
        await client.connect()
        return client
      }
      for (const listen of [true, { url }, make]) {
        const store = postgres({ pool, schema, listen })
        const woken = Promise.withResolvers<void>()
        const listener = await store.wake?.listen(() => woken.resolve(), woken.reject)
        assert.equal(pool.totalCount - pool.idleCount, listen === true ? 1 : 0, 'connections taken from the pool')
        assert.equal(await listener?.arm(), true)
        await insertOne(store)
        await woken.promise
        await listener?.close()
        assert.equal(pool.totalCount - pool.idleCount, 0)
      }
      assert.equal(made, 1)
    } finally {
      await close()
    }
  })
})

test('a value that no text can hold is refused before it is sent, and costs no connection', {
  skip: skipWithout('postgres'),
}, async () => {
  const { pool, schema, close } = openPlace(url)
  const store = postgres({ pool, schema })
  await store.schema.migrate()
  let removed = 0
  pool.on('remove', () => removed++)
  for (let n = 0; n < 5; n++) {
    await assert.rejects(store.coordination.destinations.open('main', 'a\0b', 1_000, 'away'), {
      code: 'INVALID_OPTION',
      retryable: false,
      message: /U\+0000/,
    })
  }
  assert.equal(removed, 0)
  await store.close()
  await close()
})
