import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PoolClient } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { until } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace, type Place } from './postgres-place.ts'

const url = servers.postgres()?.url ?? ''

async function withStore(work: (store: Store, place: Place) => Promise<void>): Promise<void> {
  const place = openPlace(url)
  try {
    const store = postgres({ pool: place.pool, schema: place.schema, listen: false })
    await store.schema.migrate({ lanes: 4 })
    await work(store, place)
  } finally {
    await place.close()
  }
}

async function pidOf(client: PoolClient): Promise<number> {
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0
}

describe('a lost connection to PostgreSQL', { skip: skipWithout('postgres') }, () => {
  test('between two statements of a transaction it fails the transaction, and nothing else', () =>
    withStore(async (store, { pool }) => {
      await assert.rejects(
        store.transaction(async (tx) => {
          const client = tx as PoolClient
          // Not `once` of node:events, which would hear the error in our stead.
          const lost = new Promise<void>((resolve) => client.on('end', resolve))
          await pool.query('SELECT pg_terminate_backend($1)', [await pidOf(client)])
          await lost
        }),
        { code: 'STORE_UNAVAILABLE' },
      )
      assert.equal(await store.admin.count([]), 0)
      assert.equal(pool.totalCount, pool.idleCount)
    }))

  test('during a statement of a transaction it fails the transaction, and nothing else', () =>
    withStore(async (store, { pool }) => {
      await assert.rejects(
        store.transaction(async (tx) => {
          const client = tx as PoolClient
          const pid = await pidOf(client)
          const sleeping = client.query('SELECT pg_sleep(600)')
          sleeping.catch(() => undefined)
          await until('it sleeps', async () => {
            const { rows } = await pool.query(
              `SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`,
              [pid],
            )
            return rows.length === 1
          })
          const lost = new Promise<void>((resolve) => client.on('end', resolve))
          await pool.query('SELECT pg_terminate_backend($1)', [pid])
          await lost
          await sleeping
        }),
        { code: '57P01' },
      )
      assert.equal(await store.admin.count([]), 0)
      assert.equal(pool.totalCount, pool.idleCount)
    }))
})
