import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pool } from 'pg'
import { KeptPlans } from '../../src/store/postgres/kept-plans.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './postgres-place.ts'

interface Outbox extends AsyncDisposable {
  /** Its only connection is that of the statements. */
  readonly pool: Pool
  readonly events: string
  readonly store: Store
  /** Publishes an event and reads it; fails when it is not found. */
  fetch(): Promise<void>
  /** How many statements the server keeps for the connection. */
  kept(): Promise<number>
}

async function openOutbox(url: string, prepare = true): Promise<Outbox> {
  const { pool, schema, close } = openPlace(url, 1)
  const store = postgres({ pool, schema, listen: false, prepare }) as Store
  await store.schema.migrate({ lanes: 2 })
  const events = `${schema}.outbox_events`
  let count = 0
  return {
    pool,
    events,
    store,
    async fetch() {
      await pool.query(
        `INSERT INTO ${events} (event_type, source, publisher_backend, lane) VALUES ('it''s', 'b', 'a\\b', 1)`,
      )
      const rows = await store.relay.fetch(['a\\b', ''], [{ lane: 1, after: -1, limit: 100 }])
      assert.equal(rows.length, ++count)
    },
    async kept() {
      const { rows } = await pool.query(`SELECT count(*)::int AS n FROM pg_prepared_statements WHERE from_sql`)
      return rows[0].n
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await close()
    },
  }
}

for (const { name, title } of POSTGRES_SERVERS) {
  describe(`statements of the worker that ${title} keeps`, { skip: skipWithout(name) }, () => {
    const url = servers[name]()?.url ?? ''

    test('one for each text and connection, for all stores of the pool', async () => {
      await using outbox = await openOutbox(url)
      for (let n = 0; n < 3; n++) await outbox.fetch()
      assert.equal(await outbox.kept(), 1)
      const schema = outbox.events.split('.')[0] ?? ''
      const other = postgres({ pool: outbox.pool, schema, listen: false })
      assert.equal((await other.relay.fetch(['a\\b'], [{ lane: 1, after: -1, limit: 9 }])).length, 3)
      assert.equal(await outbox.kept(), 1)
      await other.close()
    })

    test('none with `prepare: false`', async () => {
      await using outbox = await openOutbox(url, false)
      await outbox.fetch()
      assert.equal(await outbox.kept(), 0)
    })

    test('are given up, and nothing fails, when somebody has the session forget them', async () => {
      await using outbox = await openOutbox(url)
      await outbox.fetch()
      await outbox.pool.query('DISCARD ALL')
      for (let n = 0; n < 2; n++) await outbox.fetch()
      assert.equal(await outbox.kept(), 0)
    })

    test('within a snapshot, too: what a status asks', async () => {
      await using outbox = await openOutbox(url)
      await outbox.fetch()
      const before = await outbox.kept()
      const ready = async (): Promise<number | undefined> =>
        (await outbox.store.admin.look()).backends.find(({ backend }) => backend === 'a\\b')?.ready.count
      for (let n = 0; n < 2; n++) assert.equal(await ready(), 1)
      const kept = (await outbox.kept()) - before
      assert.equal(kept, 3)
      await outbox.pool.query('DISCARD ALL')
      for (let n = 0; n < 2; n++) assert.equal(await ready(), 1, 'read anew, in another snapshot')
      assert.equal(await outbox.kept(), 0)
    })

    test('are made again for a table that has changed', async () => {
      await using outbox = await openOutbox(url)
      await outbox.fetch()
      await outbox.pool.query(
        `ALTER TABLE ${outbox.events} ADD COLUMN later text, ALTER COLUMN subject TYPE varchar(99)`,
      )
      await outbox.fetch()
      assert.equal(await outbox.kept(), 1)
    })

    test('have the limits of the others', async () => {
      await using outbox = await openOutbox(url)
      await outbox.fetch()
      const { pool, close } = openPlace(url, 1)
      const client = await pool.connect()
      try {
        await client.query(`BEGIN; LOCK TABLE ${outbox.events} IN ACCESS EXCLUSIVE MODE`)
        const reading = outbox.store.relay.fetch(['a'], [{ lane: 1, after: -1, limit: 1 }])
        await assert.rejects(reading, { code: 'STORE_BUSY' })
      } finally {
        await client.query('ROLLBACK')
        client.release()
        await close()
      }
      await outbox.fetch()
      assert.equal(await outbox.kept(), 1)
    })
  })
}

test('of hundreds of outboxes on one pool a connection keeps statements of the first, however many come', () => {
  const client = { processID: 7 }
  const plansOf = (): KeptPlans => {
    const plans = new KeptPlans()
    plans.learn(client, [{ session: '7' }])
    return plans
  }
  const outboxes = Array.from({ length: 300 }, plansOf)
  const namesOf = (): readonly (string | undefined)[] =>
    outboxes.map((plans, n) => plans.nameFor(client, `SELECT ${n}`))
  const names = namesOf()
  assert.equal(new Set(names.slice(0, 100)).size, 100)
  assert.deepEqual(new Set(names.slice(100)), new Set([undefined]))
  assert.deepEqual(namesOf(), names, 'they stay the same')
  assert.equal(plansOf().nameFor(client, 'SELECT 0'), names[0], 'what is kept is there for all')
  const another = { processID: 8 }
  outboxes[299]?.learn(another, [{ session: '8' }])
  assert.notEqual(outboxes[299]?.nameFor(another, 'SELECT 299'), undefined)
})

describe('statements of a worker behind PgBouncer', { skip: skipWithout('pgbouncer') }, () => {
  test('are not kept: the next transaction may be of another session', async () => {
    await using outbox = await openOutbox(servers.pgbouncer()?.url ?? '')
    for (let n = 0; n < 2; n++) await outbox.fetch()
    assert.equal(await outbox.kept(), 0)
  })
})
