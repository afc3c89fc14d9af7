import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PoolClient } from 'pg'
import postgresJs from 'postgres'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { postgresJsTransaction } from '../../src/store/postgres/postgres-js-transaction.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'

const KEPT = `SELECT name FROM pg_prepared_statements WHERE name <> ''`

/** An outbox of this test's own, and a transaction that publishes one event on a client. */
async function openOutbox(url: string, options: { readonly prepare?: boolean } = {}) {
  const { pool, schema, close } = openPlace(url)
  const store = postgres({ pool, schema, listen: false, ...options })
  await store.schema.migrate()
  const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() } })
  const publish = async (client: PoolClient, type = 'a'): Promise<void> => {
    await client.query('BEGIN')
    await broadcaster.publish(client, { type, source: '/x', data: { n: 1 } })
    await client.query('COMMIT')
  }
  const count = (): Promise<number> => broadcaster.events.filter().count()
  return {
    broadcaster,
    pool,
    schema,
    publish,
    count,
    async [Symbol.asyncDispose]() {
      await broadcaster.close()
      await close()
    },
  }
}

describe('the plan of a publish', { skip: skipWithout('postgres') }, () => {
  const url = servers.postgres()?.url ?? ''

  test('is kept from the second publish of a connection on', async () => {
    await using outbox = await openOutbox(url)
    const client = await outbox.pool.connect()
    try {
      await outbox.publish(client)
      assert.equal((await client.query(KEPT)).rowCount, 0)
      for (const type of ['b', 'c', 'd']) await outbox.publish(client, type)
      const { rows } = await client.query(KEPT)
      assert.equal(rows.length, 1)
      assert.match(rows[0].name, /^ts_broadcaster_[0-9a-f]{16}$/)
      assert.equal(await outbox.count(), 4)
    } finally {
      client.release()
    }
  })

  test('is kept in transactions of the outbox itself, whose connections are lent', async () => {
    await using outbox = await openOutbox(url)
    const { broadcaster } = outbox
    // The first gets to know the connection, and the second finds it again: the pool gives out the one last used.
    const kept: number[] = []
    for (let n = 0; n < 3; n++) {
      await broadcaster.transaction(async (tx) => {
        await broadcaster.publish(tx, { type: 'a', source: '/x', data: { n } })
        kept.push((await tx.query({ text: KEPT, values: [] })).rows.length)
      })
    }
    assert.deepEqual(kept, [0, 1, 1])
  })

  test('is one plan for all events, with a key or without', async () => {
    await using outbox = await openOutbox(url)
    const client = await outbox.pool.connect()
    try {
      // The server makes a plan for the very values five times before it looks whether one for all is as good.
      for (let n = 0; n < 20; n++) await outbox.publish(client)
      const { rows } = await client.query(
        `SELECT custom_plans::int, generic_plans::int FROM pg_prepared_statements WHERE name <> ''`,
      )
      assert.deepEqual(rows, [{ custom_plans: 5, generic_plans: 14 }])
    } finally {
      client.release()
    }
  })

  test('is not kept where the option says so', async () => {
    await using outbox = await openOutbox(url, { prepare: false })
    const client = await outbox.pool.connect()
    try {
      for (let n = 0; n < 3; n++) await outbox.publish(client)
      assert.equal((await client.query(KEPT)).rowCount, 0)
    } finally {
      client.release()
    }
  })

  test('is given up when somebody has the session forget it: one transaction is to be run again', async () => {
    await using outbox = await openOutbox(url)
    const client = await outbox.pool.connect()
    try {
      for (let n = 0; n < 2; n++) await outbox.publish(client)
      await client.query('DISCARD ALL')
      await assert.rejects(outbox.publish(client), (error) => {
        return error instanceof BroadcasterError && error.code === 'STORE_BUSY' && error.retryable
      })
      await client.query('ROLLBACK')
      for (let n = 0; n < 2; n++) await outbox.publish(client)
      assert.equal((await client.query(KEPT)).rowCount, 0)
      assert.equal(await outbox.count(), 4)
    } finally {
      client.release()
    }
  })

  test('outlives a migration that adds to the table', async () => {
    await using outbox = await openOutbox(url)
    const client = await outbox.pool.connect()
    try {
      for (let n = 0; n < 2; n++) await outbox.publish(client)
      await outbox.pool.query(`ALTER TABLE ${outbox.schema}.outbox_events ADD COLUMN later text`)
      for (let n = 0; n < 2; n++) await outbox.publish(client)
      assert.equal(await outbox.count(), 4)
    } finally {
      client.release()
    }
  })

  test('behind PgBouncer is never kept', { skip: skipWithout('pgbouncer') }, async () => {
    await using outbox = await openOutbox(servers.pgbouncer()?.url ?? '')
    const client = await outbox.pool.connect()
    try {
      for (let n = 0; n < 4; n++) {
        await outbox.publish(client)
        assert.equal((await client.query(KEPT)).rowCount, 0)
      }
      assert.equal(await outbox.count(), 4)
    } finally {
      client.release()
    }
  })

  for (const prepare of [true, false]) {
    test(`by postgres.js is ${prepare ? 'kept' : 'not kept where its own option says so'}`, async () => {
      await using outbox = await openOutbox(url)
      const store = postgres({ pool: outbox.pool, schema: outbox.schema, listen: false })
      const transaction = postgresJsTransaction()
      const broadcaster = new Broadcaster({ store, transaction, backends: { default: memoryBackend() } })
      const sql = postgresJs(url, { max: 1, prepare, onnotice: () => undefined })
      try {
        for (let n = 0; n < 3; n++) {
          await sql.begin((tx) => broadcaster.publish(tx, { type: 'a', source: '/x', data: { n } }))
        }
        const kept = await sql.unsafe(`${KEPT} AND statement LIKE 'INSERT INTO%outbox_events%'`)
        assert.equal(kept.length, prepare ? 1 : 0)
        assert.equal(await outbox.count(), 3)
      } finally {
        await sql.end()
      }
    })
  }
})
