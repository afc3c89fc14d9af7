import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PoolClient } from 'pg'
import { Heartbeats } from '../../src/relay/heartbeats.ts'
import { planLanes } from '../../src/relay/lane-plan.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { BACKEND, insert, insertOne, newEvent, own, read, until } from '../../src/testing/store/steps.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace, type Place } from './postgres-place.ts'

const url = servers.postgres()?.url ?? ''

async function withStore(work: (store: Store, place: Place, other: PoolClient) => Promise<void>): Promise<void> {
  // Who waits for a lock without need fails instead.
  const place = openPlace(`${url}?options=-c%20lock_timeout%3D15s`)
  const store = postgres({ pool: place.pool, schema: place.schema, listen: false })
  await store.schema.migrate({ lanes: 4 })
  const other = await place.pool.connect()
  try {
    await work(store, place, other)
  } finally {
    other.release(true)
    await place.close()
  }
}

/** Until a statement on this outbox waits for a lock. */
const untilOneWaits = (place: Place): Promise<void> => untilSomeWait(place, 1)

async function untilSomeWait({ pool, schema }: Place, count: number): Promise<void> {
  await until(`${count} wait for a lock`, async () => {
    const { rows } = await pool.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid IN (
        SELECT l.pid FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation WHERE c.relnamespace = to_regnamespace($1))`,
      [schema],
    )
    return rows.length >= count
  })
}

describe('races on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  test('a settle that meets a claim under way is decided by the claim', () =>
    withStore(async (store, place, other) => {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      await other.query('BEGIN')
      await other.query(`UPDATE ${place.schema}.outbox_lanes SET owner = gen_random_uuid(), fence = fence + 1`)
      const settling = store.relay.settle(ownership, [
        { kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 1000, error: 'no' },
      ])
      await untilOneWaits(place)
      await other.query('COMMIT')
      assert.deepEqual((await settling).lost, [id])
      assert.equal((await read(store, id)).status, 'pending')
    }))

  test('the control: when that claim is rolled back the settle counts', () =>
    withStore(async (store, place, other) => {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      await other.query('BEGIN')
      await other.query(`UPDATE ${place.schema}.outbox_lanes SET owner = gen_random_uuid(), fence = fence + 1`)
      const settling = store.relay.settle(ownership, [
        { kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 1000, error: 'no' },
      ])
      await untilOneWaits(place)
      await other.query('ROLLBACK')
      assert.deepEqual((await settling).lost, [])
      assert.equal((await read(store, id)).status, 'retry')
    }))

  test('a claim waits for a settle under way, and wins afterwards', () =>
    withStore(async (store, place) => {
      const { ownership } = await own(store)
      const { id, lane } = await insertOne(store)
      const second = await store.coordination.enter({ name: 'second', backends: [BACKEND], lease: 60_000 })
      const { lanes } = await store.coordination.survey([BACKEND])
      const settled = Promise.withResolvers<void>()
      const settling = place.pool.connect().then(async (client) => {
        // A settle, held open after its statement: the lock that `ownedLanes` takes.
        await client.query('BEGIN')
        await client.query(
          `SELECT FROM ${place.schema}.outbox_lanes WHERE owner = '${ownership.workerId}' ORDER BY lane FOR SHARE`,
        )
        settled.resolve()
        await untilOneWaits(place)
        await client.query('COMMIT')
        client.release()
      })
      await settled.promise
      const claimed = await store.coordination.claim(second, lanes)
      await settling
      assert.equal(claimed.length, lanes.length)
      const { lost } = await store.relay.settle(ownership, [{ kind: 'park', generation: 0, id, lane, delay: null }])
      assert.deepEqual(lost, [id])
    }))

  for (const end of ['COMMIT', 'ROLLBACK'] as const) {
    const title =
      end === 'COMMIT'
        ? 'a worker whose renewal commits after its old lease has ended keeps its lanes'
        : 'the control: when that renewal is rolled back its lanes are free'
    test(title, () =>
      withStore(async (store, place, other) => {
        const { ownership } = await own(store)
        const second = await store.coordination.enter({ name: 'second', backends: [BACKEND], lease: 60_000 })
        // What the snapshot of a survey will see.
        await place.pool.query(
          `UPDATE ${place.schema}.outbox_workers SET lease_until = clock_timestamp() WHERE id = $1`,
          [ownership.workerId],
        )
        await other.query('BEGIN')
        // A renewal in time, whose commit takes until the old lease has ended.
        await other.query(
          `UPDATE ${place.schema}.outbox_workers SET lease_until = clock_timestamp() + interval '1 minute' WHERE id = $1`,
          [ownership.workerId],
        )
        const surveying = store.coordination.survey([BACKEND])
        surveying.catch(() => undefined)
        await untilOneWaits(place)
        await other.query(end)
        const { workers, lanes } = await surveying
        const late = new Heartbeats().observe(workers)
        const { claim } = planLanes({ workerId: second, workers, lanes, late })
        assert.equal(claim.length, end === 'COMMIT' ? 0 : 4)
        assert.equal(await store.coordination.renew(ownership.workerId, 60_000), end === 'COMMIT')
      }),
    )
  }

  test('publishing does not wait for workers that hold every lane and every row', () =>
    withStore(async (store, { schema }, other) => {
      await own(store)
      await insert(store, newEvent(), newEvent())
      await other.query('BEGIN')
      await other.query(`SELECT FROM ${schema}.outbox_events FOR UPDATE`)
      await other.query(`SELECT FROM ${schema}.outbox_lanes FOR UPDATE`)
      await other.query(`SELECT FROM ${schema}.outbox_workers FOR UPDATE`)
      assert.equal((await insert(store, newEvent({ partitionKey: 'k' }), newEvent())).length, 2)
    }))

  test('a deadlock between two settles is not the caller’s affair', () =>
    withStore(async (store, place, other) => {
      const { ownership } = await own(store)
      const events = [newEvent(), newEvent(), newEvent()]
      // A settle locks in the order of the ids: stored in that order, its plan cannot matter.
      const rows = await insert(store, ...events.toSorted((a, b) => (a.id < b.id ? -1 : 1)))
      const [low = '', middle = '', high = ''] = rows.map(({ id }) => id)
      const update = (client: PoolClient, id: string) =>
        client.query(`UPDATE ${place.schema}.outbox_events SET last_error = 'x' WHERE id = '${id}'`)
      const gate = await place.pool.connect()
      const impatient = postgres({
        url: `${url}?options=-c%20deadlock_timeout%3D100ms`,
        schema: place.schema,
        listen: false,
      })
      try {
        await other.query('BEGIN')
        // PostgreSQL looks for a deadlock once in each wait, after this time: here only the store's side does.
        await other.query(`SET LOCAL deadlock_timeout = '10min'`)
        await update(other, high)
        await gate.query('BEGIN')
        await update(gate, middle)
        const settling = impatient.relay.settle(
          ownership,
          rows.map(({ id, lane }) => ({ kind: 'published', generation: 0, id, lane })),
        )
        settling.catch(() => undefined)
        await untilSomeWait(place, 1)
        const closing = update(other, low)
        closing.catch(() => undefined)
        await untilSomeWait(place, 2)
        // Only now does the settle come to the row that closes the circle, and looks.
        await gate.query('COMMIT')
        await closing
        await other.query('COMMIT')
        assert.deepEqual((await settling).lost, [])
      } finally {
        gate.release(true)
        await impatient.close()
      }
    }))

  test('the names of a lane share its limit: what is fetched has no gaps', () =>
    withStore(async (store) => {
      const names = ['', '', '', 'default', 'default', 'default']
      const rows = await insert(store, ...names.map((publisherBackend) => newEvent({ publisherBackend, keyHash: 1 })))
      const fetched = await store.relay.fetch(['default', ''], [{ lane: 1, after: 0, limit: 2 }])
      assert.deepEqual(
        fetched.map((row) => row.seq),
        rows.slice(0, 2).map((row) => row.seq),
      )
    }))

  test('a commit that was a rollback is an error, not a success', () =>
    withStore(async (store) => {
      await assert.rejects(
        store.transaction(async (tx) => {
          await tx
          await assert.rejects(store.transactionAdapter.execute(tx, { strings: ['SELECT 1/0'], values: [] }))
        }),
        { code: 'TRANSACTION_ABORTED' },
      )
    }))
})
