import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { insertOne, newEvent } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace, type Place } from './postgres-place.ts'

const url = servers.postgres()?.url ?? ''

async function withStore(work: (store: Store, place: Place) => Promise<void>): Promise<void> {
  // Who would wait for a lock fails instead.
  const place = openPlace(`${url}?options=-c%20lock_timeout%3D5s`)
  try {
    const store = postgres({ pool: place.pool, schema: place.schema })
    await store.schema.migrate({ lanes: 4 })
    await work(store, place)
  } finally {
    await place.close()
  }
}

/** Every notification of the outbox's channel, read by a client that knows nothing of our store. */
async function watch({ schema }: Place) {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(`SELECT 'broadcaster_' || '${schema}.outbox_events'::regclass::oid AS channel`)
  const channel: string = rows[0].channel
  await client.query(`LISTEN "${channel}"`)
  let payloads: string[] = []
  const marked = { n: 0, resolve: () => {} }
  client.on('notification', ({ payload = '' }) => {
    if (payload === `test mark ${marked.n}`) marked.resolve()
    else if (!payload.startsWith('test ')) payloads.push(payload)
  })
  return {
    /** What came since the last call. Notifications arrive in the order of commits, so a mark of our own is the last. */
    async seen(): Promise<readonly string[]> {
      const arrived = new Promise<void>((resolve) => (marked.resolve = resolve))
      await client.query(`SELECT pg_notify('${channel}', 'test mark ${++marked.n}')`)
      await arrived
      const all = payloads
      payloads = []
      return all
    },
    close: () => client.end(),
  }
}

const unexpected = (error?: unknown): never => assert.fail(`unexpected: ${error}`)

describe('wake-up on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  test('a commit notifies while a relay waits, and only then', () =>
    withStore(async (store, place) => {
      const watcher = await watch(place)
      const listener = await store.wake?.listen(() => {}, unexpected)
      assert.ok(listener)
      try {
        await insertOne(store)
        assert.deepEqual(await watcher.seen(), [], 'nobody waits yet')
        assert.equal(await listener.arm(), true)
        await insertOne(store)
        assert.deepEqual(await watcher.seen(), [''], 'the control')
        await listener.disarm()
        await insertOne(store)
        assert.deepEqual(await watcher.seen(), [], 'nobody waits any more')
        assert.equal(await listener.arm(), true)
        await insertOne(store, { delay: 60_000 })
        assert.deepEqual(await watcher.seen(), [''], 'an event for later, so that the relay learns when it is due')
        await store.transaction(async (tx) => {
          const events = Array.from({ length: 50 }, () => newEvent())
          await store.transactionAdapter.execute(tx, store.publish.insert(events))
          await store.transactionAdapter.execute(tx, store.publish.insert([newEvent()]))
        })
        assert.deepEqual(await watcher.seen(), [''], 'once for a transaction')
      } finally {
        await listener.close()
        await watcher.close()
      }
    }))

  test('a relay that was killed waits no longer', () =>
    withStore(async (store, place) => {
      const watcher = await watch(place)
      const lost = Promise.withResolvers<unknown>()
      const listener = await store.wake?.listen(() => {}, lost.resolve)
      try {
        assert.equal(await listener?.arm(), true)
        await place.pool.query(`
          SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
          WHERE locktype = 'advisory' AND objid = '${place.schema}.outbox_events'::regclass::oid`)
        await lost.promise
        await insertOne(store)
        assert.deepEqual(await watcher.seen(), [])
      } finally {
        await listener?.close()
        await watcher.close()
      }
    }))

  test('a relay that begins to wait lets commits end that looked for relays before it', () =>
    withStore(async (store, { pool, schema }) => {
      const listener = await store.wake?.listen(() => {}, unexpected)
      assert.ok(listener)
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await client.query(`INSERT INTO ${schema}.outbox_events (event_type, source) VALUES ('a', 'b')`)
        // The trigger of the commit, already now: from here on this transaction looks as if its commit took for ever.
        await client.query('SET CONSTRAINTS ALL IMMEDIATE')
        assert.equal(await listener.arm(), false, 'it could miss this commit, and says so')
        const arming = listener.arm()
        await client.query('COMMIT')
        assert.equal(await arming, true)
        assert.equal(await store.admin.count([]), 1, 'what was committed meanwhile is visible when it is armed')
      } finally {
        client.release()
        await listener.close()
      }
    }))

  test('publishing waits for no lock, whoever waits or notifies', () =>
    withStore(async (store, { pool, schema }) => {
      const listener = await store.wake?.listen(() => {}, unexpected)
      await listener?.arm()
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await client.query(`INSERT INTO ${schema}.outbox_events (event_type, source) VALUES ('a', 'b')`)
        // This one is the one that notifies, and does not commit for a long time.
        await client.query('SET CONSTRAINTS ALL IMMEDIATE')
        await insertOne(store)
        await insertOne(store)
        await client.query('ROLLBACK')
      } finally {
        client.release()
        await listener?.close()
      }
    }))
})
