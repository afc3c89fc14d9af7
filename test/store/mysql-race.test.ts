import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Store } from '../../src/store/store.ts'
import { RolledBackError } from '../../src/testing/store/roll-back.ts'
import {
  BACKEND,
  deleteNow,
  fetchAll,
  insert,
  insertIn,
  insertOne,
  moveNow,
  NAMES,
  newEvent,
  own,
  purgeNow,
  read,
  runIn,
  until,
} from '../../src/testing/store/steps.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './mysql-place.ts'

const LEVELS = ['READ COMMITTED', 'REPEATABLE READ'] as const

interface Stage {
  readonly store: Store
  readonly pool: Pool
  /** A connection on which a transaction is open. */
  begin(level?: (typeof LEVELS)[number]): Promise<PoolConnection>
}

/** Who waits for a lock without need fails instead, after `lockWait` seconds. */
async function withStoreAt(url: string, work: (stage: Stage) => Promise<void>, lockWait = 20): Promise<void> {
  const place = await openPlace(url, { connectionLimit: 12 })
  const { pool } = place
  pool.on('connection', (connection) => void connection.query(`SET innodb_lock_wait_timeout = ${lockWait}`))
  const store: Store = mysql({ pool }) as Store
  const begun: PoolConnection[] = []
  try {
    await store.schema.migrate({ lanes: 4 })
    await work({
      store,
      pool,
      async begin(level = 'REPEATABLE READ') {
        const connection = await pool.getConnection()
        begun.push(connection)
        await connection.query(`SET TRANSACTION ISOLATION LEVEL ${level}`)
        await connection.beginTransaction()
        return connection
      },
    })
  } finally {
    for (const connection of begun) connection.destroy()
    await place.close()
  }
}

/**
 * Until a transaction on this database waits for a lock. SHOW ENGINE INNODB STATUS tells it at once, but MySQL leaves out
 * there who has written nothing yet. `innodb_trx` leaves nobody out, but is refreshed only when nobody at all has asked
 * for 100 ms: so that is asked second, and not in step with others who ask.
 */
async function untilOneWaits(pool: Pool): Promise<void> {
  await until('a statement waits for a lock', async () => {
    const [[status]] = await pool.query<RowDataPacket[]>('SHOW ENGINE INNODB STATUS')
    const [ours] = await pool.query<RowDataPacket[]>(
      'SELECT id AS thread FROM information_schema.processlist WHERE db = DATABASE()',
    )
    const threads = new Set(ours.map((row) => String(row['thread'])))
    const transactions = String(status?.['Status']).split('---TRANSACTION')
    const isListed = transactions.some(
      (text) => text.includes('\nLOCK WAIT ') && threads.has(/ thread id (\d+)/.exec(text)?.[1] ?? ''),
    )
    if (isListed) return true
    await sleep(100 + Math.random() * 100)
    const [waiting] = await pool.query<RowDataPacket[]>(
      "SELECT trx_mysql_thread_id AS thread FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    )
    return waiting.some((row) => threads.has(String(row['thread'])))
  })
}

for (const { name, title } of MYSQL_SERVERS) {
  describe(`races on ${title}`, { skip: skipWithout(name) }, () => {
    const withStore = (work: (stage: Stage) => Promise<void>, lockWait?: number): Promise<void> =>
      withStoreAt(servers[name]()?.url ?? '', work, lockWait)

    for (const end of ['COMMIT', 'ROLLBACK']) {
      test(`a settle that meets a claim under way is decided by its ${end}`, () =>
        withStore(async ({ store, pool, begin }) => {
          const { ownership } = await own(store)
          const { id, lane } = await insertOne(store)
          const other = await begin()
          await other.query('UPDATE outbox_lanes SET owner = UUID(), fence = fence + 1')
          const settling = store.relay.settle(ownership, [
            { kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 1000, error: 'no' },
          ])
          await untilOneWaits(pool)
          await other.query(end)
          assert.deepEqual((await settling).lost, end === 'COMMIT' ? [id] : [])
          assert.equal((await read(store, id)).status, end === 'COMMIT' ? 'pending' : 'retry')
        }))
    }

    test('neither a settle nor an operator waits for who holds other lanes, whatever the statistics say', () =>
      withStore(async ({ store, pool, begin }) => {
        await pool.query('ALTER TABLE outbox_lanes STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0')
        await pool.query('ANALYZE TABLE outbox_lanes')
        const { ownership } = await own(store)
        // MySQL has counted rows meanwhile, and forgets it when a table is changed.
        await pool.query("ALTER TABLE outbox_lanes COMMENT = 'who works where'")
        const keys = Array.from({ length: 40 }, (_, n) => `k${n}`)
        const rows = await insert(store, ...keys.map((partitionKey) => newEvent({ partitionKey })))
        const free = rows.filter(({ lane }) => lane > 1)
        const other = await begin('READ COMMITTED')
        await other.query(
          'SELECT * FROM outbox_lanes FORCE INDEX (PRIMARY) WHERE backend = ? AND lane IN (0, 1) FOR UPDATE',
          [BACKEND],
        )
        const retries = free.map(
          ({ id, lane }) => ({ kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 0, error: 'no' }) as const,
        )
        assert.deepEqual((await store.relay.settle(ownership, retries)).lost, [])
        const [first, ...more] = free.map(({ id }) => id)
        assert.deepEqual(await moveNow(store, [first ?? ''], { kind: 'cancel' }), [first])
        assert.equal((await deleteNow(store, ...more)).length, more.length)
        // The control: those lanes are held.
        const held = rows.filter(({ lane }) => lane === 1).map(({ id }) => id)
        const deleting = deleteNow(store, ...held)
        await untilOneWaits(pool)
        await other.rollback()
        assert.equal((await deleting).length, held.length)
      }))

    test('a claim waits for a settle under way, and wins afterwards', () =>
      withStore(async ({ store, pool }) => {
        const { ownership } = await own(store)
        const second = await store.coordination.enter({ name: 'second', backends: [BACKEND], lease: 60_000 })
        const { lanes } = await store.coordination.survey([BACKEND])
        let claimed = false
        const row = await insertOne(store)
        const held = await pool.getConnection()
        await held.beginTransaction()
        await held.query('SELECT lane FROM outbox_lanes WHERE backend = ? ORDER BY lane LOCK IN SHARE MODE', [BACKEND])
        // What a settle does first, held open.
        const claiming = store.coordination.claim(second, lanes).then((taken) => {
          claimed = true
          return taken
        })
        await untilOneWaits(pool)
        assert.equal(claimed, false)
        await held.query('COMMIT')
        held.release()
        assert.equal((await claiming).length, lanes.length)
        const late = await store.relay.settle(ownership, [
          { kind: 'retry', generation: 0, id: row.id, lane: row.lane, retryCount: 1, delay: 0, error: 'no' },
        ])
        assert.deepEqual(late.lost, [row.id])
      }))

    for (const level of LEVELS) {
      test(`publishing at ${level} waits for no worker that holds every lane and every row`, () =>
        withStore(async ({ store, begin }) => {
          const { ownership } = await own(store)
          const stored = Array.from({ length: 20 }, (_, n) => newEvent({ partitionKey: `k${n}`, eventId: `e${n}` }))
          await insert(store, ...stored)
          const worker = await begin('READ COMMITTED')
          await worker.query('SELECT * FROM outbox_lanes FOR UPDATE')
          await worker.query('SELECT * FROM outbox_workers FOR UPDATE')
          await worker.query("UPDATE outbox_events SET status = 'published'")
          const caller = await begin(level)
          await insertIn(store, caller, [
            ...Array.from({ length: 100 }, (_, n) => newEvent({ partitionKey: `k${n}`, eventId: `new ${n}` })),
            newEvent({ delay: 60_000 }),
          ])
          // The control: what is not a publish does wait, and is told that the row is locked.
          const id = stored[0]?.id ?? ''
          const { busy } = await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id, lane: 0 }])
          assert.deepEqual(busy, [id])
        }, 3))

      test(`a worker waits for no open transaction that has published at ${level}`, () =>
        withStore(async ({ store, begin }) => {
          const { ownership, workerId } = await own(store)
          const lanes = [0, 1, 2, 3]
          const rows = await insert(
            store,
            ...Array.from({ length: 12 }, (_, n) =>
              newEvent({ partitionKey: `k${n % 3}`, delay: n % 4 === 0 ? 1 : 0 }),
            ),
          )
          const caller = await begin(level)
          const events = Array.from({ length: 40 }, (_, n) => newEvent({ partitionKey: `k${n % 3}`, eventId: `e${n}` }))
          await insertIn(store, caller, events)
          await caller.query('SELECT COUNT(*) FROM outbox_events')
          await until('something is due', async () => (await store.relay.unpark(NAMES, lanes, 10)).woken.length > 0)
          const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? 0 })
          const { lost } = await store.relay.settle(ownership, [
            { kind: 'published', generation: 0, ...at(1) },
            { kind: 'retry', generation: 0, ...at(2), retryCount: 1, delay: 0, error: 'no' },
            { kind: 'failed', generation: 0, ...at(3), retryCount: 1, blocks: true, error: 'no' },
            { kind: 'park', generation: 0, ...at(5), delay: null },
            { kind: 'park', generation: 0, ...at(6), delay: 10 },
          ])
          assert.deepEqual(lost, [])
          await store.relay.reconcile(NAMES, lanes)
          await purgeNow(store, { published: 0, failed: 0, cancelled: 0 })
          await moveNow(store, [at(7).id], { kind: 'cancel' })
          await deleteNow(store, at(9).id)
          assert.equal(await store.coordination.renew(workerId, 60_000), true)
          await store.coordination.enter({ name: 'another', backends: [BACKEND, 'new'], lease: 60_000 })
          await store.coordination.leave(workerId)
          // And the caller goes on.
          await insertIn(store, caller, [newEvent()])
        }))
    }

    test("the store's own transactions are at READ COMMITTED, whatever the session's default: a search locks no gap", () =>
      withStore(async ({ store, pool }) => {
        await insertOne(store, { partitionKey: 'k' })
        await store.transaction(async (tx) => {
          const searching = tx as PoolConnection
          const count = 'SELECT COUNT(*) AS count FROM outbox_events'
          const [[before]] = await searching.query<RowDataPacket[]>(count)
          await searching.query("SELECT id FROM outbox_events WHERE event_type = 'nothing' FOR UPDATE")
          // At REPEATABLE READ this insert would wait for the search, and the count would not see it.
          await insert(store, newEvent({ partitionKey: 'k', eventId: 'beside' }))
          const [[after]] = await searching.query<RowDataPacket[]>(count)
          assert.deepEqual([before?.['count'], after?.['count']], [1, 2])
        })
        const [[session]] = await pool.query<RowDataPacket[]>(
          "SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')",
        )
        assert.equal(session?.['Value'], 'REPEATABLE-READ')
      }))

    test('a publish that waits for the same event of another transaction keeps nobody else waiting', () =>
      withStore(async ({ store, pool, begin }) => {
        const [first, second, third] = [await begin(), await begin(), await begin()]
        await insertIn(store, first, [newEvent({ eventId: 'same' })])
        const waiting = insertIn(store, second, [newEvent({ eventId: 'same' })])
        await untilOneWaits(pool)
        await insertIn(store, third, [newEvent(), newEvent({ eventId: 'other' })])
        await third.commit()
        await first.rollback()
        assert.equal((await waiting).length, 1)
      }))

    for (const level of LEVELS) {
      test(`an event that was stored after the snapshot of a transaction at ${level} is found`, () =>
        withStore(async ({ store, begin }) => {
          const caller = await begin(level)
          await caller.query('SELECT COUNT(*) FROM outbox_events')
          const stored = await insertOne(store, { eventId: 'late', data: '"first"' })
          const again = newEvent({ eventId: 'late', data: '"second"' })
          assert.deepEqual(await insertIn(store, caller, [again]), [])
          const found = await runIn(store, caller, store.publish.findDuplicate(again))
          assert.equal(found?.id, stored.id)
          assert.equal(found?.data, '"first"')
        }))

      test(`an event that was stored before is left out at ${level} without a lock`, () =>
        withStore(async ({ store, begin }) => {
          const { ownership } = await own(store)
          const stored = await insertOne(store, { eventId: 'old' })
          const caller = await begin(level)
          const again = newEvent({ eventId: 'old' })
          assert.deepEqual(await insertIn(store, caller, [again]), [])
          await runIn(store, caller, store.publish.findDuplicate(again))
          // Neither the row nor the gaps beside it are locked.
          await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id: stored.id, lane: stored.lane }])
          await insert(store, ...Array.from({ length: 20 }, (_, n) => newEvent({ eventId: `new ${n}` })), newEvent())
        }))
    }

    test('who publishes events one by one in their order is not kept out by who waits for the first of them', () =>
      withStore(async ({ store, pool, begin }) => {
        const [holder, waiter] = [await begin(), await begin()]
        const events = Array.from({ length: 5 }, (_, n) => newEvent({ eventId: `given-${n}` }))
        const ordered = (await insertIn(store, holder, events)).toSorted((a, b) => a.seq - b.seq)
        await holder.rollback()
        await holder.beginTransaction()
        const inOrder = ordered.map(({ id }) => events.filter((event) => event.id === id))
        await insertIn(store, holder, inOrder[0] ?? [])
        const waiting = insertIn(
          store,
          waiter,
          events.map(({ eventId }) => newEvent({ eventId })),
        )
        await untilOneWaits(pool)
        for (const one of inOrder.slice(1)) assert.equal((await insertIn(store, holder, one)).length, 1)
        await holder.commit()
        assert.deepEqual(await waiting, [])
      }))

    test('a deadlock tells the publisher that its transaction is over, and nothing is published outside of it', () =>
      withStore(async ({ store, pool, begin }) => {
        const [first, second] = [await begin(), await begin()]
        // The heavier transaction survives.
        await insertIn(
          store,
          first,
          Array.from({ length: 50 }, () => newEvent()),
        )
        await insertIn(store, first, [newEvent({ eventId: 'a' })])
        await insertIn(store, second, [newEvent({ eventId: 'b' })])
        const waiting = insertIn(store, first, [newEvent({ eventId: 'b' })])
        await untilOneWaits(pool)
        await assert.rejects(insertIn(store, second, [newEvent({ eventId: 'a' })]), {
          code: 'TRANSACTION_CONFLICT',
          message: /run it again/,
        })
        await assert.rejects(insertIn(store, second, [newEvent()]), { code: 'TRANSACTION_ENDED', message: /deadlock/ })
        assert.equal((await waiting).length, 1)
        await first.commit()
        assert.equal(await store.admin.count([]), 52)
      }))

    test('a deadlock whose error a handler caught does not record its event', () =>
      withStore(async ({ store }) => {
        const { ownership } = await own(store)
        const { id, lane } = await insertOne(store)
        const outcome = { kind: 'published', generation: 0, id, lane } as const
        await assert.rejects(
          store.relay.settleInTransaction(ownership, async (tx) => {
            // What a deadlock does to a transaction.
            await (tx as PoolConnection).query('ROLLBACK')
            return outcome
          }),
          { code: 'TRANSACTION_ENDED' },
        )
        assert.equal((await read(store, id)).status, 'pending')
        await assert.rejects(
          store.transaction(async (tx) => {
            await (tx as PoolConnection).query('CREATE TABLE made_by_hand (n int)')
          }),
          { code: 'TRANSACTION_ENDED', message: /DDL/ },
        )
        // The control.
        assert.equal((await store.relay.settleInTransaction(ownership, async () => outcome)).recorded, true)
      }))

    test('writers, two owners and an operator at once: nothing is lost, no error reaches anybody', () =>
      withStore(async ({ store, pool }) => {
        const second: Store = mysql({ pool }) as Store
        const { ownership } = await own(store)
        const published = new Set<string>()
        let writing = true
        const write = async (writer: number): Promise<void> => {
          for (let n = 0; n < 30; n++) {
            const events = Array.from({ length: 4 }, () => newEvent({ partitionKey: `k${writer}` }))
            try {
              await store.transaction(async (tx) => {
                await insertIn(store, tx, events)
                if (n % 5 === 0) throw new RolledBackError()
              })
            } catch (error) {
              if (!(error instanceof RolledBackError)) throw error
              continue
            }
            for (const event of events) published.add(event.id)
          }
        }
        const recorded = new Set<string>()
        const relay = async (with_: Store): Promise<void> => {
          for (let idle = false; writing || !idle; ) {
            const rows = await fetchAll(with_)
            const outcomes = rows
              .slice(0, 40)
              .map(({ id, lane, generation, retryCount }, n) =>
                n % 4 === 0 && retryCount === 0
                  ? ({ kind: 'retry', generation, id, lane, retryCount: 1, delay: 0, error: 'no' } as const)
                  : ({ kind: 'published', generation, id, lane } as const),
              )
            const { lost, busy } = await with_.relay.settle(ownership, outcomes)
            const missed = new Set([...lost, ...busy])
            for (const { kind, id } of outcomes) if (kind === 'published' && !missed.has(id)) recorded.add(id)
            const { woken } = await with_.relay.unpark(NAMES, [0, 1, 2, 3], 100)
            idle = rows.length === 0 && woken.length === 0
          }
        }
        const operate = async (): Promise<void> => {
          while (writing) {
            const some = await store.admin.list({ where: [], order: [], limit: 5, offset: 0, columns: ['id'] })
            const ids = some.flatMap(({ id }) => id ?? [])
            await moveNow(store, ids, { kind: 'incrementRetry', error: 'by hand', delay: 1 })
            await moveNow(store, ids, { kind: 'requeue' })
          }
        }
        const relays = [relay(store), relay(second)]
        const operator = operate()
        await Promise.all([0, 1, 2, 3].map(write))
        writing = false
        await operator
        await until('all is published', async () => {
          await Promise.all(relays)
          await relay(store)
          return (await store.admin.count([{ column: 'status', op: 'ne', value: 'published' }])) === 0
        })
        assert.equal(await store.admin.count([]), published.size)
        assert.ok([...published].every((id) => recorded.has(id)))
      }))
  })
}
