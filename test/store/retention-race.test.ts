import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Pool } from 'pg'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import {
  BACKEND,
  deleteNow,
  insert,
  moveNow,
  newEvent,
  own,
  purgeNow,
  read,
  until,
} from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { connectTo, type Other } from './other-connection.ts'

const AGAIN = `SET status = 'pending', available_at = NULL, generation = generation + 1`
const EVERYTHING = { published: 0, failed: 0, cancelled: 0 } as const

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  describe(`retention beside others on ${kind.name}`, { skip: kind.server ? skipWithout(kind.server) : false }, () => {
    async function withOther(work: (store: Store, other: Other, ids: readonly string[]) => Promise<void>) {
      const { store, place, close } = await kind.open()
      await store.schema.migrate({ lanes: 4 })
      const other = await connectTo(place)
      try {
        const { ownership } = await own(store)
        const rows = await insert(store, ...Array.from({ length: 6 }, () => newEvent({ partitionKey: 'k' })))
        await store.relay.settle(
          ownership,
          rows.map(({ id, lane }, n) =>
            n % 2 === 0
              ? { kind: 'published', generation: 0, id, lane }
              : { kind: 'failed', generation: 0, id, lane, retryCount: 1, blocks: true, error: 'no' },
          ),
        )
        await until('time has passed', async () => {
          const [{ id, createdAt } = { id: '', createdAt: new Date(0) }] = await insert(store, newEvent())
          await deleteNow(store, id)
          return createdAt > (await read(store, rows[0]?.id ?? '')).updatedAt
        })
        await work(
          store,
          other,
          rows.map(({ id }) => id),
        )
      } finally {
        await other.end()
        await store.close()
        await close()
      }
    }

    test('what an operator is just requeueing or replaying is not deleted, and the rest is, without a wait', () =>
      withOther(async (store, other, ids) => {
        await other.run('BEGIN')
        const stored = (id: string): string => (kind.name === 'postgres' ? id : id.replaceAll('-', ''))
        // One by one: by the primary key, so that no other row is locked.
        for (const id of ids.slice(0, 4)) await other.run(`UPDATE outbox_events ${AGAIN} WHERE id = '${stored(id)}'`)
        const purging = purgeNow(store, EVERYTHING)
        const first = await Promise.race([purging, pause(1_500).then(() => 'waits' as const)])
        await other.run('COMMIT')
        await purging
        const left = await store.admin.list({
          where: [{ column: 'publisherBackend', op: 'eq', value: BACKEND }],
          order: [{ column: 'seq', descending: false }],
          limit: null,
          offset: 0,
          columns: ['id', 'status'],
        })
        assert.deepEqual(
          left,
          ids.slice(0, 4).map((id) => ({ id, status: 'pending' })),
        )
        assert.equal(first, 2, 'a row that somebody holds delays that row alone')
      }))

    const HOUR = 3_600_000
    const ago = kind.name === 'postgres' ? `now() - interval '2 hours'` : 'UTC_TIMESTAMP(6) - INTERVAL 2 HOUR'
    const stored = (id: string | undefined): string =>
      kind.name === 'postgres' ? (id ?? '') : (id ?? '').replaceAll('-', '')
    const idsIn = async (store: Store): Promise<readonly unknown[]> => {
      const query = { where: [], order: [{ column: 'seq', descending: false }], limit: null, offset: 0 } as const
      return (await store.admin.list({ ...query, columns: ['id'] })).map(({ id }) => id)
    }

    test('what is in flight is not deleted, nor what is just being settled, and that goes the next time', () =>
      withOther(async (store, other, ids) => {
        const [inFlight, settling] = await insert(store, newEvent(), newEvent())
        await other.run(`UPDATE outbox_events SET created_at = ${ago}, updated_at = ${ago}, published_at = ${ago}`)
        await other.run('BEGIN')
        await other.run(`UPDATE outbox_events SET status = 'published' WHERE id = '${stored(settling?.id)}'`)
        const purging = purgeNow(store, { published: HOUR, failed: HOUR, cancelled: HOUR })
        const first = await Promise.race([purging, pause(1_500).then(() => 'waits' as const)])
        await other.run('COMMIT')
        await purging
        assert.equal(first, ids.length)
        assert.deepEqual(await idsIn(store), [inFlight?.id, settling?.id])
        assert.equal(await purgeNow(store, { published: HOUR, failed: HOUR, cancelled: HOUR }), 1)
        assert.deepEqual(await idsIn(store), [inFlight?.id])
      }))

    test(
      'what is replayed after it was chosen, sent and settled anew, stays',
      { skip: kind.name === 'postgres' ? 'it chooses and deletes in one statement: the test below' : false },
      () =>
        withOther(async (store, other, ids) => {
          await other.run(`UPDATE outbox_events SET created_at = ${ago}, updated_at = ${ago}, published_at = ${ago}`)
          // Between its choice and its delete it locks the lanes of what blocks a key.
          await other.run('BEGIN')
          await other.run('SELECT lane FROM outbox_lanes FOR UPDATE')
          const purging = purgeNow(store, { published: HOUR, failed: HOUR, cancelled: HOUR })
          const first = await Promise.race([purging, pause(500).then(() => 'waits' as const)])
          // By the connection that has the lanes: an operator and the owner, both done before it may go on.
          const [replayed, pending] = [stored(ids[0]), stored(ids[2])]
          await other.run(`UPDATE outbox_events ${AGAIN} WHERE id IN ('${replayed}', '${pending}')`)
          await other.run(
            `UPDATE outbox_events SET status = 'published', published_at = UTC_TIMESTAMP(6) WHERE id = '${replayed}'`,
          )
          await other.run('COMMIT')
          assert.equal(first, 'waits', 'it stands between choice and delete')
          assert.equal(await purging, ids.length - 2)
          assert.deepEqual(await idsIn(store), [ids[0], ids[2]])
        }),
    )
  })
}

/**
 * PostgreSQL chooses, locks and deletes in one statement, in which nothing waits before the lock. A policy on the rows,
 * which is asked as each is read, makes it wait there: its snapshot is taken, nothing is locked.
 */
async function withGate(work: (gated: Store, other: Other, ids: readonly string[]) => Promise<void>): Promise<void> {
  const kind = PLACED_STORES.find(({ name }) => name === 'postgres') ?? assert.fail()
  const { store, place, close } = await kind.open()
  const { url, schema } = place.kind === 'postgres' ? place : assert.fail()
  const other = await connectTo(place)
  const role = `gated_${schema}`
  // No superuser: no policy holds one of those.
  const pool = new Pool({ connectionString: `${url}?options=-c%20role%3D${role}`, max: 1 })
  try {
    await store.schema.migrate({ lanes: 4 })
    const ids = await settledIn(store)
    await other.run(`CREATE ROLE ${role};
      GRANT USAGE ON SCHEMA ${schema} TO ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role};
      CREATE FUNCTION ${schema}.gate() RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext('${schema}')); RETURN true; END $$;
      ALTER TABLE outbox_events ENABLE ROW LEVEL SECURITY;
      CREATE POLICY gate ON outbox_events USING (${schema}.gate())`)
    await work(postgres({ pool, schema }) as Store, other, ids)
  } finally {
    await pool.end()
    await store.close()
    await other.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await other.end()
    await close()
  }
}

test(
  'retention beside others on postgres: what is moved after it was read and before it is locked stays',
  { skip: skipWithout('postgres') },
  () =>
    withGate(async (gated, other, ids) => {
      const gate = `hashtext(current_schema())`
      await other.run(`SELECT pg_advisory_lock(${gate})`)
      const purging = purgeNow(gated, EVERYTHING)
      const first = await Promise.race([purging, pause(1_000).then(() => 'waits' as const)])
      await other.run(`UPDATE outbox_events ${AGAIN} WHERE id IN ('${ids[0]}', '${ids[1]}')`)
      await other.run(`SELECT pg_advisory_unlock(${gate})`)
      assert.equal(first, 'waits', 'it stands between its look and its locks')
      assert.equal(await purging, ids.length - 2)
      const { rows } = (await other.run('SELECT id, status FROM outbox_events ORDER BY seq')) as { rows: unknown }
      assert.deepEqual(
        rows,
        ids.slice(0, 2).map((id) => ({ id, status: 'pending' })),
      )
    }),
)

/** Four events, published and failed in turn. */
async function settledIn(store: Store): Promise<readonly string[]> {
  const { ownership } = await own(store)
  const rows = await insert(store, ...Array.from({ length: 4 }, () => newEvent({ partitionKey: 'k' })))
  await store.relay.settle(
    ownership,
    rows.map(({ id, lane }, n) =>
      n % 2 === 0
        ? { kind: 'published', generation: 0, id, lane }
        : { kind: 'failed', generation: 0, id, lane, retryCount: 1, blocks: true, error: 'no' },
    ),
  )
  await pause(20)
  return rows.map(({ id }) => id)
}

async function statusesIn(store: Store): Promise<readonly unknown[]> {
  const query = { where: [], order: [{ column: 'seq', descending: false }], limit: null, offset: 0 } as const
  return store.admin.list({ ...query, columns: ['id', 'status'] })
}

test('retention beside others on sqlite: what another process is just requeueing or replaying is not deleted', async () => {
  const kind = PLACED_STORES.find(({ name }) => name === 'sqlite') ?? assert.fail()
  const { store, place, close } = await kind.open()
  // A thread has the lock: the store waits for it, and this one with it.
  let other: Worker | undefined
  try {
    await store.schema.migrate({ lanes: 4 })
    const ids = await settledIn(store)
    const again = ids.slice(0, 2)
    const source = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { DatabaseSync } = require('node:sqlite')
      const db = new DatabaseSync(workerData.path)
      db.exec('BEGIN IMMEDIATE')
      db.exec(workerData.sql)
      parentPort.postMessage('locked')
      setTimeout(() => { db.exec('COMMIT'); db.close() }, 300)`
    const stored = again.map((id) => `'${id.replaceAll('-', '')}'`)
    const path = place.kind === 'sqlite' ? place.path : ''
    const sql = `UPDATE outbox_events ${AGAIN} WHERE id IN (${stored})`
    other = new Worker(source, { eval: true, workerData: { path, sql } })
    await new Promise((resolve) => other?.once('message', resolve))
    const began = performance.now()
    assert.equal(await purgeNow(store, EVERYTHING), 2)
    assert.ok(performance.now() - began > 100, 'it met the other one')
    assert.deepEqual(
      await statusesIn(store),
      again.map((id) => ({ id, status: 'pending' })),
    )
  } finally {
    await other?.terminate()
    await store.close()
    await close()
  }
})

for (const first of ['retention', 'the operator']) {
  test(`retention beside others on memory: what an operator moved at the same moment stays (${first} first)`, async () => {
    const store = memoryStore({ lanes: 4 }) as Store
    const ids = await settledIn(store)
    const act = () =>
      Promise.all([
        moveNow(store, ids.slice(0, 1), { kind: 'replay' }),
        moveNow(store, ids.slice(1, 2), { kind: 'requeue' }),
      ])
    const purge = () => purgeNow(store, EVERYTHING)
    const [moved, purged] =
      first === 'retention' ? (await Promise.all([purge(), act()])).toReversed() : await Promise.all([act(), purge()])
    const left = await statusesIn(store)
    assert.deepEqual(
      left,
      [moved].flat(2).map((id) => ({ id, status: 'pending' })),
      'what was moved is there, and nothing else',
    )
    assert.equal(purged, ids.length - left.length)
    assert.equal(left.length, 2)
  })
}
