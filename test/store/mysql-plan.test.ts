import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Mysql2Pool, Mysql2PoolConnection } from '../../src/store/mysql/mysql2-client.ts'
import type { Store } from '../../src/store/store.ts'
import {
  deleteNow,
  insert,
  insertOne,
  moveNow,
  newEvent,
  own,
  purgeAmong,
  runIn,
} from '../../src/testing/store/steps.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { numbers, openPlace, type Place } from './mysql-place.ts'

/** What a call did to the events table. */
interface Access {
  /** How each statement reads it: `range outbox_events_work`, without repeats. */
  readonly plans: readonly string[]
  /** Index entries and rows that the server read, of whatever table. */
  readonly reads: number
  /** Joins that compare each row with each in memory, which is counted nowhere. */
  readonly nested: readonly string[]
}

/** Plans with the worst statistics there are: those of an empty table that has grown to 50,000 rows since. */
for (const { name, title } of MYSQL_SERVERS) {
  describe(`plans on ${title} with stale statistics`, { skip: skipWithout(name) }, () => {
    const statements: string[] = []
    let place: Place
    let pool: Pool
    let store: Store

    /** Notes what the store runs. */
    function spied(connection: PoolConnection): PoolConnection {
      return new Proxy(connection, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target)
          if (typeof member !== 'function') return member
          return (...values: { readonly sql: string }[]) => {
            if (name === 'query') statements.push(values[0]?.sql ?? '')
            return Reflect.apply(member, target, values)
          }
        },
      })
    }

    before(async () => {
      // One connection, since the server counts reads by connection.
      place = await openPlace(servers[name]()?.url ?? '', { connectionLimit: 1 })
      pool = place.pool
      const spy: Mysql2Pool = {
        getConnection: async () => spied(await pool.getConnection()) as unknown as Mysql2PoolConnection,
      }
      // What reads the table without an index takes long on a busy machine.
      store = mysql({ pool: spy, statementTimeout: 120_000 }) as Store
      await store.schema.migrate({ lanes: 16 })
      await pool.query('ALTER TABLE outbox_events STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0')
      await pool.query('ANALYZE TABLE outbox_events')
      const fill = (count: number, status: string, availableAt: string, backend = 'default') =>
        pool.query(`
        INSERT INTO outbox_events (event_type, source, publisher_backend, status, published_at, available_at,
          partition_key, lane)
        SELECT 'a', 'b', '${backend}', '${status}', UTC_TIMESTAMP(6), ${availableAt}, CONCAT('k', seq MOD 1000), seq MOD 16
        FROM ${numbers(count)}`)
      await fill(25_000, 'published', 'NULL')
      await fill(12_000, 'pending', 'UTC_TIMESTAMP(6) + INTERVAL 1 DAY')
      await fill(5_000, 'pending', "'9999-12-31'")
      await fill(20, 'failed', "'9999-12-31'")
      await fill(8_000, 'pending', 'NULL')
      await fill(3_000, 'pending', "'9999-12-31'", 'held up')
      await pool.query('ALTER TABLE outbox_inbox STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0')
      await pool.query('ANALYZE TABLE outbox_inbox')
      await pool.query(`
        INSERT INTO outbox_inbox (consumer, source, event_id, handled_at)
        SELECT 'c', '/s', seq, UTC_TIMESTAMP(6) - INTERVAL (seq <= 300) DAY FROM ${numbers(10_000)}`)
      // MySQL has counted rows meanwhile, and forgets it when a table is changed.
      await pool.query("ALTER TABLE outbox_inbox COMMENT = 'what consumers have handled'")
      // Past it, rows are not counted one by one. (And see above.)
      await pool.query('ALTER TABLE outbox_events AUTO_INCREMENT = 200000')
    })
    after(() => place.close())

    async function readsSoFar(): Promise<number> {
      const [rows] = await pool.query<RowDataPacket[]>("SHOW SESSION STATUS LIKE 'Handler_read%'")
      return rows.reduce((sum, row) => sum + Number(row['Value']), 0)
    }

    async function accessOf(call: () => Promise<unknown>): Promise<Access> {
      statements.length = 0
      // To ask is a read, too.
      const [first, second] = [await readsSoFar(), await readsSoFar()]
      await call()
      const reads = (await readsSoFar()) - second - (second - first)
      const plans = new Set<string>()
      const nested: string[] = []
      for (const limited of [...statements]) {
        // Without the limits that MariaDB takes with the statement.
        const sql = limited.replace(/^\/\*M!.*?\*\/ /, '')
        if (!/^\s*\(?(SELECT|UPDATE|DELETE)/.test(sql)) continue
        const [rows] = await pool.query<RowDataPacket[]>(`EXPLAIN ${sql}`)
        for (const { table, type, key, Extra: extra } of rows) {
          if (/join buffer \((?!hash join)/.test(extra ?? '')) nested.push(`${table}: ${extra}`)
          if (/^(e|f|p|outbox_events)$/.test(table ?? '')) plans.add(`${type} ${key}`)
        }
      }
      return { plans: [...plans].toSorted(), reads, nested }
    }

    const lanes = Array.from({ length: 16 }, (_, lane) => lane)
    const names = ['default', '']

    for (const limit of [1, 16, 500, 1500]) {
      for (const from of [0, 49_500]) {
        test(`fetch of ${limit} a lane after ${from} reads what it returns`, async () => {
          const cursors = lanes.map((lane) => ({ lane, after: from, limit }))
          let found = 0
          for (let time = 0; time < 2; time++) {
            const { plans, reads } = await accessOf(async () => {
              found = (await store.relay.fetch(names, cursors)).length
            })
            assert.deepEqual(plans, ['range outbox_events_work'])
            // The scan of all lanes comes first where no backlog is known of; the union's rows are read once more.
            assert.ok(reads <= 4 * found + 300, `${reads} reads for ${found} rows`)
          }
          assert.ok(found > 0)
        })
      }
    }

    test('unpark reads the first of each lane, and then what is due', async () => {
      const nothing = await accessOf(() => store.relay.unpark(names, lanes, 1000))
      assert.deepEqual(nothing.plans, ['ref outbox_events_work'])
      assert.ok(nothing.reads < 500, `${nothing.reads} reads`)
      await insertOne(store, { delay: 1 })
      const due = await accessOf(async () => {
        while ((await store.relay.unpark(names, lanes, 1000)).woken.length === 0);
      })
      assert.ok(due.plans.every((plan) => /^(ref|range) (outbox_events_work|PRIMARY)$/.test(plan)))
    })

    test('unpark passes nothing that waits behind a blocked key', async () => {
      let next: number | null = 0
      const { reads } = await accessOf(async () => {
        next = (await store.relay.unpark(['held up'], lanes, 1000)).nextDueIn
      })
      assert.equal(next, null)
      assert.ok(reads < 300, `${reads} reads`)
    })

    test('publish looks for nothing but its own events', async () => {
      const one = newEvent({ eventId: 'one' })
      const events = [one, ...Array.from({ length: 49 }, (_, n) => newEvent({ eventId: `e${n}` }))]
      const first = await accessOf(() => insert(store, ...events))
      assert.ok(first.reads < 1_000, `${first.reads} reads`)
      const again = await accessOf(async () => assert.deepEqual(await insert(store, ...events), []))
      assert.ok(again.reads < 1_000, `${again.reads} reads`)
      const duplicate = await accessOf(() =>
        store.transaction((tx) => runIn(store, tx, store.publish.findDuplicate(one))),
      )
      assert.ok(duplicate.reads < 50, `${duplicate.reads} reads`)
    })

    test('the inbox is pruned by age', async () => {
      let pruned = 0
      const { reads } = await accessOf(async () => {
        pruned = await store.inbox.prune({ age: 3_600_000, limit: 1_000 })
      })
      assert.equal(pruned, 300)
      assert.ok(reads < 2_000, `${reads} reads`)
    })

    test('data that was withheld is got by primary key', async () => {
      const rows = await store.relay.fetch(
        names,
        lanes.map((lane) => ({ lane, after: 0, limit: 60 })),
      )
      assert.ok(rows.length > 900)
      const { plans, reads } = await accessOf(() => store.relay.fetchData(rows, 1e9))
      assert.deepEqual(plans, ['range PRIMARY'])
      assert.ok(reads < 2 * rows.length + 100, `${reads} reads for ${rows.length} rows`)
    })

    test('settle is by primary key', async () => {
      const { ownership } = await own(store)
      const rows = await store.relay.fetch(
        names,
        lanes.map((lane) => ({ lane, after: 0, limit: 60 })),
      )
      assert.ok(rows.length > 900)
      const published = rows.map(({ id, lane }) => ({ kind: 'published', generation: 0, id, lane }) as const)
      const parked = published.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: null }) as const)
      const park = await accessOf(() => store.relay.settle(ownership, parked))
      assert.deepEqual(park.plans, ['eq_ref PRIMARY', 'range PRIMARY'])
      // Each is locked and written; what they are written from is a table of its own in the statement.
      assert.ok(park.reads < 8 * rows.length, `${park.reads} reads for ${rows.length} rows`)
      const publish = await accessOf(() => store.relay.settle(ownership, published))
      assert.deepEqual(publish.plans, ['range PRIMARY'])
      assert.ok(publish.reads < 2 * rows.length + 100, `${publish.reads} reads for ${rows.length} rows`)
    })

    test('reconcile reads what waits behind a failed event, and what failed', async () => {
      const { plans, reads } = await accessOf(() => store.relay.reconcile(names, lanes))
      assert.ok(
        plans.every((plan) => /^(ref|range) (outbox_events_work|PRIMARY)$/.test(plan)),
        String(plans),
      )
      // 17,000 wait: each is read, and looked up once among what holds its key.
      assert.ok(reads < 60_000, `${reads} reads`)
    })

    test('lastSeq reads the end of a range of the work index for each name', async () => {
      const { plans, reads } = await accessOf(() => store.relay.lastSeq(names, 0))
      assert.ok(
        plans.every((plan) => plan.endsWith(' outbox_events_work') || plan === 'null null'),
        String(plans),
      )
      assert.ok(reads < 50, `${reads} reads`)
    })

    test('waitingNames jumps from name to name, past settled rows and all that waits', async () => {
      const { plans, reads } = await accessOf(async () =>
        assert.deepEqual(await store.relay.waitingNames(10), ['default', 'held up']),
      )
      assert.ok(
        plans.every((plan) => plan.endsWith(' outbox_events_work') || plan === 'null null'),
        String(plans),
      )
      assert.ok(reads < 300, `${reads} reads`)
    })

    test('purge, move and delete go by seq and by primary key', async () => {
      const ids = (await store.relay.fetch(names, [{ lane: 0, after: 0, limit: 300 }])).map(({ id }) => id)
      const purged = await accessOf(() => purgeAmong(store, 400, { published: 0 }))
      assert.deepEqual(purged.plans, ['range PRIMARY', 'range outbox_events_seq'])
      assert.ok(purged.reads < 5_000, `${purged.reads} reads`)
      const moved = await accessOf(() => moveNow(store, ids, { kind: 'cancel' }))
      assert.deepEqual(moved.plans, ['range PRIMARY'])
      const deleted = await accessOf(() => deleteNow(store, ...ids))
      assert.deepEqual(deleted.plans, ['range PRIMARY'])
    })

    test('rows that no worker sees are looked for in ranges of an index, and in the ends of the table', async () => {
      const { plans, reads } = await accessOf(async () =>
        assert.deepEqual((await store.schema.inspect?.())?.unreachable, []),
      )
      assert.ok(
        plans.every((plan) => /outbox_events_(work|seq)$/.test(plan) || /null$/.test(plan)),
        String(plans),
      )
      // Of each end 10,000, which are written to a table of the statement's own, and read there. What waits is 28,000 more.
      assert.ok(reads < 61_000, `${reads} reads`)
    })

    test('look reads no published row, but for counting the first 10,000', async () => {
      const { plans, reads } = await accessOf(() => store.admin.look())
      const allowed = ['index outbox_events_seq', 'ALL null', 'null null']
      assert.ok(
        plans.every((plan) => plan.endsWith('outbox_events_work') || allowed.includes(plan)),
        String(plans),
      )
      // Each counted row is read, and once more from the limited table of them: 28,000 twice, and the first 10,000 of all twice.
      assert.ok(reads < 90_000, `${reads} reads`)
    })

    test('reconcile compares what waits with what holds it by key, whatever number of keys', async () => {
      const backend = 'many keys'
      const COUNT = 600
      for (const [status, availableAt, key] of [
        ['failed', "'9999-12-31'", 'blocked'],
        ['pending', "'9999-12-31'", 'blocked'],
        ['retry', 'UTC_TIMESTAMP(6) + INTERVAL 2 HOUR', 'held'],
        ['pending', 'UTC_TIMESTAMP(6) + INTERVAL 2 HOUR', 'held'],
      ]) {
        await pool.query(`
        INSERT INTO outbox_events (event_type, source, publisher_backend, status, available_at, partition_key, lane)
        SELECT 'a', 'b', '${backend}', '${status}', ${availableAt}, CONCAT('${key}', seq), 0 FROM ${numbers(COUNT)}`)
      }
      let found = 0
      const { reads, nested } = await accessOf(async () => {
        found = (await store.relay.reconcile([backend], [0])).length
      })
      assert.equal(found, 2 * COUNT)
      assert.deepEqual(nested, [])
      // For each that is read once more for each other it is 360,000 and more.
      assert.ok(reads < 50 * COUNT, `${reads} reads`)
    })

    test('the control: without the work index nothing is found by it', async () => {
      await pool.query('ALTER TABLE outbox_events DROP INDEX outbox_events_work, ADD INDEX outbox_events_work (status)')
      const cursors = lanes.map((lane) => ({ lane, after: 0, limit: 1 }))
      const { plans, reads } = await accessOf(() => store.relay.fetch(names, cursors))
      assert.notDeepEqual(plans, ['range outbox_events_work'])
      assert.ok(reads > 2_000, `${reads} reads`)
    })
  })
}
