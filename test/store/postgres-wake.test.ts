import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Client, Pool } from 'pg'
import { BroadcasterError } from '../../src/errors.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { insertIn, insertOne, newEvent, until } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace, type Place } from './postgres-place.ts'

/** Nobody ever wakes who waits for it. */
const NEVER = new Int32Array(new SharedArrayBuffer(4))

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
  test('a process that paused while it tried its listening connection does not blame the connection', () =>
    withStore(async (store, { pool }) => {
      const client = await pool.connect()
      const prototype = Object.getPrototypeOf(client) as { query(...asked: unknown[]): unknown }
      client.release()
      const { query } = prototype
      prototype.query = function (...asked) {
        const answer = query.apply(this, asked)
        // Longer than the trial may take, as soon as this is on its way: what arrives meanwhile is unread.
        if (JSON.stringify(asked).includes('pg_notify')) setImmediate(() => Atomics.wait(NEVER, 0, 0, 2_300))
        return answer
      }
      try {
        const listener = await store.wake?.listen(() => {}, unexpected)
        await listener?.close()
      } finally {
        prototype.query = query
      }
    }))

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
          await insertIn(store, tx, events)
          await insertIn(store, tx, [newEvent()])
        })
        assert.deepEqual(await watcher.seen(), [''], 'once for a transaction')
      } finally {
        await listener.close()
        await watcher.close()
      }
    }))

  test('a transaction that fills outboxes in turns wakes the relay of each', () =>
    withStore(async (store, place) => {
      const other = { ...place, schema: `${place.schema}_b` }
      const second = postgres({ pool: place.pool, schema: other.schema })
      const client = await place.pool.connect()
      try {
        await second.schema.migrate({ lanes: 4 })
        const watchers = [await watch(place), await watch(other)]
        const listeners = await Promise.all([store, second].map((each) => each.wake?.listen(() => {}, unexpected)))
        try {
          for (const listener of listeners) assert.equal(await listener?.arm(), true)
          await client.query('BEGIN')
          for (const { schema } of [place, other, place, other]) {
            await client.query(`INSERT INTO ${schema}.outbox_events (event_type, source) VALUES ('a', 'b')`)
          }
          await client.query('COMMIT')
          for (const watcher of watchers) assert.deepEqual(await watcher.seen(), [''])
        } finally {
          for (const each of [...listeners, ...watchers]) await each?.close()
        }
      } finally {
        client.release()
        await place.pool.query(`DROP SCHEMA IF EXISTS ${other.schema} CASCADE`)
      }
    }))

  test('what a savepoint took back was not told', () =>
    withStore(async (store, place) => {
      const watcher = await watch(place)
      const listener = await store.wake?.listen(() => {}, unexpected)
      const client = await place.pool.connect()
      const insert = `INSERT INTO ${place.schema}.outbox_events (event_type, source) VALUES ('a', 'b')`
      try {
        assert.equal(await listener?.arm(), true)
        // The trigger runs inside of the savepoint, with which its notification is taken back.
        for (const text of ['BEGIN', 'SAVEPOINT one', insert, 'SET CONSTRAINTS ALL IMMEDIATE']) await client.query(text)
        await client.query('ROLLBACK TO one')
        await client.query(insert)
        await client.query('COMMIT')
        assert.deepEqual(await watcher.seen(), [''])
      } finally {
        client.release()
        await listener?.close()
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
        const arming = until('it is armed', () => listener.arm())
        await client.query('COMMIT')
        await arming
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

  test('outboxes on one pool listen on one connection of it, each to its own', () =>
    withStore(async (store, place) => {
      const schemas = ['b', 'c'].map((letter) => `${place.schema}_${letter}`)
      // With a connection each, nothing would be left to work with.
      const pool = new Pool({ connectionString: url, max: 2 })
      const all = [place.schema, ...schemas].map((schema) => postgres({ pool, schema }))
      const heard = [0, 0, 0, 0]
      const listen = async (n: number, on: number) =>
        all[on]?.wake?.listen(() => (heard[n] = (heard[n] ?? 0) + 1), unexpected) ?? assert.fail('no wake-up')
      try {
        for (const one of all) await one.schema.migrate({ lanes: 4 })
        // Two for the first outbox, as two workers of one process have.
        const listeners = [await listen(0, 0), await listen(1, 1), await listen(2, 2), await listen(3, 0)]
        assert.equal(pool.totalCount, 2)
        for (const listener of listeners) assert.equal(await listener.arm(), true)
        const insertInto = async (schema: string) => {
          const watcher = await watch({ ...place, schema })
          await insertOne(postgres({ pool: place.pool, schema }))
          assert.equal((await watcher.seen()).length, 1)
          await watcher.close()
          // What the server has sent to the other connection before our own question has arrived when it is answered.
          await listeners[2]?.disarm()
          await listeners[2]?.arm()
        }
        await insertInto(place.schema)
        assert.deepEqual(heard, [1, 0, 0, 1])
        await insertInto(schemas[0] ?? '')
        assert.deepEqual(heard, [1, 1, 0, 1])
        await listeners[0]?.close()
        await insertInto(place.schema)
        assert.deepEqual(heard, [1, 1, 0, 2])
        for (const listener of listeners) await listener.close()
        assert.equal(pool.totalCount, pool.idleCount)
        // Nobody waits any more.
        const watcher = await watch(place)
        await insertOne(store)
        assert.deepEqual(await watcher.seen(), [])
        await watcher.close()
      } finally {
        await pool.end()
        for (const schema of schemas) await place.pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      }
    }))

  test('listening is given up when others have all that is left of the pool', (t) =>
    withStore(async (_store, place) => {
      const pool = new Pool({ connectionString: url, max: 2, idleTimeoutMillis: 0 })
      const store = postgres({ pool, schema: place.schema })
      const other = await pool.connect()
      try {
        await pool.query('SELECT 1')
        t.mock.timers.enable({ apis: ['setTimeout'] })
        let failure: unknown
        let taken = 0
        pool.on('acquire', () => taken++)
        const listening = store.wake?.listen(() => {}, unexpected).catch((error: unknown) => (failure = error))
        // The outbox was looked up, a connection listens, and now the trial wants one more.
        while (taken < 2 || pool.waitingCount === 0) await turn()
        t.mock.timers.tick(5_000)
        // What waits for a connection gets the one that listened: nobody is kept from working.
        const next = pool.query('SELECT 1')
        while (failure === undefined) await turn()
        t.mock.timers.reset()
        await listening
        assert.ok(failure instanceof BroadcasterError)
        assert.equal(failure.code, 'STORE_UNAVAILABLE')
        assert.match(failure.message, /no connection left/)
        await next
      } finally {
        other.release()
        await pool.end()
      }
    }))

  test('when the connection of a pool is lost, everybody on it is told and can listen again', () =>
    withStore(async (_store, place) => {
      const pool = new Pool({ connectionString: url, max: 2 })
      const [one, two] = [postgres({ pool, schema: place.schema }), postgres({ pool, schema: place.schema })]
      const lost = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()]
      try {
        await one.wake?.listen(() => {}, lost[0]?.resolve ?? unexpected)
        await two.wake?.listen(() => {}, lost[1]?.resolve ?? unexpected)
        await place.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN "' || $1 || '"'`,
          [
            `broadcaster_${(await place.pool.query(`SELECT '${place.schema}.outbox_events'::regclass::oid`)).rows[0].oid}`,
          ],
        )
        await Promise.all(lost.map(({ promise }) => promise))
        const again = await one.wake?.listen(() => {}, unexpected)
        assert.equal(await again?.arm(), true)
        await again?.close()
      } finally {
        await pool.end()
      }
    }))
})
