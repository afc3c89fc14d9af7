import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ClientBase, Pool } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { purgeNow } from '../../src/testing/store/steps.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { openPlace } from './postgres-place.ts'

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Join Filter'?: number
  readonly Plans?: readonly Plan[]
}

interface Query {
  readonly text: string
  readonly values: unknown[]
}

const OWNERSHIP = { workerId: '00000000-0000-7000-8000-000000000000', backend: 'default', fences: new Map() }

function isQuery(asked: unknown): asked is Query {
  return typeof asked === 'object' && asked !== null && 'text' in asked && 'values' in asked
}

/** Notes what a store on this pool runs. */
function spyOn(pool: Pool, statements: Query[]): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => unknown
    const spy = (...given: unknown[]) => {
      const [asked] = given
      if (isQuery(asked)) statements.push(asked)
      return query(...given)
    }
    Object.assign(client, { query: spy })
  })
}

/** The nodes of the plan of a statement, with what it sets for itself. Of one that is kept: the plan that is kept. None = it has no plan. */
async function explain(client: ClientBase, { text, values }: Query, options = ''): Promise<readonly Plan[]> {
  const settings = /^(SET LOCAL [^;]*(;|$))*/.exec(text)?.[0] ?? ''
  if (settings !== '') await client.query(settings)
  const statement = text.slice(settings.length)
  if (statement === '' || statement.startsWith('PREPARE ')) return []
  const { rows } = await client.query(`EXPLAIN (${options}FORMAT JSON) ${statement}`, values)
  return nodesOf(rows[0]['QUERY PLAN'][0].Plan)
}

function nodesOf(plan: Plan): readonly Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

for (const { name, title } of POSTGRES_SERVERS) {
  /** Plans with the worst statistics there are: those of an empty table that has grown to 300,000 rows since. */
  describe(`plans on ${title} with stale statistics`, { skip: skipWithout(name) }, () => {
    // One connection: what the server keeps for the store's statements can be asked on it.
    const { pool, schema, close } = openPlace(servers[name]()?.url ?? '', 1)
    const statements: Query[] = []
    let store: Store

    before(async () => {
      spyOn(pool, statements)
      // What reads the table without an index takes long on a busy machine.
      store = postgres({ pool, schema, listen: false, statementTimeout: 120_000 })
      await store.schema.migrate({ lanes: 16 })
      await pool.query(`ALTER TABLE ${schema}.outbox_events SET (autovacuum_enabled = false)`)
      await pool.query(`ANALYZE ${schema}.outbox_events`)
      await pool.query(`ALTER TABLE ${schema}.outbox_events DISABLE TRIGGER USER`)
      const fill = (count: number, status: string, availableAt: string) =>
        pool.query(`
        INSERT INTO ${schema}.outbox_events (event_type, source, publisher_backend, status, published_at, available_at,
          partition_key, lane)
        SELECT 'a', 'b', 'default', '${status}', now(), ${availableAt}, 'k' || g % 1000, g % 16
        FROM generate_series(1, ${count}) AS g`)
      await useAll()
      await fill(200_000, 'published', 'NULL')
      await fill(50_000, 'pending', `now() + interval '1 day'`)
      await fill(20_000, 'pending', `timestamptz '9999-12-31 00:00:00+00'`)
      await fill(20, 'failed', `timestamptz '9999-12-31 00:00:00+00'`)
      await fill(30_000, 'pending', 'NULL')
    })
    after(close)

    /** So that the plans that are kept are of an empty table. */
    async function useAll(): Promise<void> {
      await store.relay.fetch(names, [{ lane: 0, after: 0, limit: 1 }])
      await store.relay.fetchFew?.(names, 0)
      await store.relay.lastSeq(names, 0)
      await store.relay.unpark(names, lanes, 1)
      await store.relay.settle(OWNERSHIP, [{ kind: 'published', id: OWNERSHIP.workerId, lane: 0, generation: 0 }])
      const { rows } = await pool.query('SELECT count(*) AS plans FROM pg_prepared_statements')
      assert.equal(Number(rows[0].plans), 5)
    }

    /** How the statements of a call read the events table: `Index Scan outbox_events_hot`, without repeats. */
    async function accessOf(call: () => Promise<unknown>): Promise<readonly string[]> {
      statements.length = 0
      await call()
      const asked = statements.splice(0)
      const access = new Set<string>()
      const client = await pool.connect()
      await using returned = new AsyncDisposableStack()
      returned.defer(async () => {
        await client.query('ROLLBACK')
        client.release()
      })
      await client.query('BEGIN')
      for (const query of asked) {
        for (const node of await explain(client, query)) {
          const index = node['Index Name']?.startsWith('outbox_events')
          if (index || (node['Relation Name'] === 'outbox_events' && node['Node Type'] !== 'ModifyTable')) {
            access.add(`${node['Node Type']} ${node['Index Name'] ?? node['Relation Name']}`)
          }
        }
      }
      return [...access].toSorted()
    }

    const lanes = Array.from({ length: 16 }, (_, lane) => lane)
    const names = ['default', '']
    const hot = ['Index Scan outbox_events_hot']

    for (const limit of [1, 16, 500, 1500]) {
      for (const from of [0, 275_000]) {
        test(`fetch of ${limit} a lane after ${from} is one ordered index scan a lane`, async () => {
          const cursors = lanes.map((lane) => ({ lane, after: from, limit }))
          assert.deepEqual(await accessOf(() => store.relay.fetch(names, cursors)), hot)
        })
      }
    }

    for (const from of [0, 275_000]) {
      test(`fetchFew after ${from} is one ordered index scan a name`, async () => {
        assert.deepEqual(await accessOf(async () => store.relay.fetchFew?.(names, from)), hot)
      })
    }

    test('lastSeq reads one entry at the end of the hot index for each name', async () => {
      const access = await accessOf(() => store.relay.lastSeq(names, 0))
      assert.ok(
        access.every((each) => /^Index (Only )?Scan( Backward)? outbox_events_hot$/.test(each)),
        String(access),
      )
    })

    test('unpark reads the parked index', async () => {
      const access = await accessOf(() => store.relay.unpark(names, lanes, 1000))
      // By their ids, one after the other or, where more are expected, as a set.
      const byId = access.includes('Bitmap Index Scan outbox_events_pkey')
        ? ['Bitmap Heap Scan outbox_events', 'Bitmap Index Scan outbox_events_pkey']
        : ['Index Scan outbox_events_pkey']
      const parked = ['Index Only Scan outbox_events_parked', 'Index Scan outbox_events_parked']
      assert.deepEqual(access, [...parked, ...byId].toSorted())
    })

    test('data that was withheld is got by primary key', async () => {
      const rows = await store.relay.fetch(
        names,
        lanes.map((lane) => ({ lane, after: 0, limit: 30 })),
      )
      assert.ok(rows.length > 100)
      for (const some of [rows, rows.slice(0, 3)]) {
        const access = await accessOf(() => store.relay.fetchData(some, 1e9))
        assert.ok(
          access.every((each) => /^(Index Scan|Bitmap Index Scan) outbox_events_pkey$|^Bitmap Heap Scan/.test(each)),
          String(access),
        )
      }
    })

    test('settle of published events is by primary key', async () => {
      const rows = await store.relay.fetch(
        names,
        lanes.map((lane) => ({ lane, after: 0, limit: 30 })),
      )
      const outcomes = rows.map(({ id, lane }) => ({ kind: 'published', generation: 0, id, lane }) as const)
      const access = await accessOf(() => store.relay.settle(OWNERSHIP, outcomes))
      assert.ok(
        access.every((each) => /^(Index Scan|Bitmap Index Scan) outbox_events_pkey$|^Bitmap Heap Scan/.test(each)),
        String(access),
      )
      const parked = outcomes.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: null }) as const)
      assert.deepEqual(await accessOf(() => store.relay.settle(OWNERSHIP, parked)), ['Index Scan outbox_events_pkey'])
    })

    test('a list by many ids reads the primary key once, not once an id', async () => {
      const rows = await store.relay.fetch(
        names,
        lanes.map((lane) => ({ lane, after: 0, limit: 30 })),
      )
      const where = [{ column: 'id', op: 'in', values: rows.map(({ id }) => id) } as const]
      const access = await accessOf(() =>
        store.admin.list({ where, order: [], limit: 500, offset: 0, columns: ['id'] }),
      )
      assert.ok(access.length <= 2 && access.some((each) => each.endsWith('outbox_events_pkey')), String(access))
    })

    test('reconcile reads the parked and the troubled index', async () => {
      const access = await accessOf(() => store.relay.reconcile(names, lanes))
      assert.ok(
        access.every((each) => /outbox_events_(troubled|parked|pkey)$/.test(each)),
        String(access),
      )
    })

    test('waitingNames jumps from name to name in the hot and the parked index', async () => {
      const access = await accessOf(async () => assert.deepEqual(await store.relay.waitingNames(10), ['default']))
      assert.ok(
        access.length >= 2 && access.every((each) => /^Index (Only )?Scan outbox_events_(hot|parked)$/.test(each)),
        String(access),
      )
    })

    test('rows that no worker sees are looked for in ranges of the indexes, and in the ends of the table', async () => {
      const access = await accessOf(async () => assert.deepEqual((await store.schema.inspect?.())?.unreachable, []))
      assert.ok(access.includes('Index Scan outbox_events_pkey'), String(access))
      assert.ok(
        access.every((each) => /^Index (Only )?Scan( Backward)? outbox_events_(pkey|hot|parked)$/.test(each)),
        String(access),
      )
    })

    test('purge walks the primary key', async () => {
      const access = await accessOf(() => purgeNow(store, { published: 1e9 }, { failed: 5 }))
      assert.deepEqual(access, ['Index Scan outbox_events_pkey'])
    })

    test('the control: without the hot index the plan is another one', async () => {
      await pool.query(`DROP INDEX ${schema}.outbox_events_hot`)
      const cursors = lanes.map((lane) => ({ lane, after: 0, limit: 16 }))
      assert.notDeepEqual(await accessOf(() => store.relay.fetch(names, cursors)), hot)
    })
  })

  /** The planner expects one parked row, or none: a join may then read all that is parked once for each. */
  describe(`plans on ${title} with statistics from when nothing was parked`, { skip: skipWithout(name) }, () => {
    const { pool, schema, close } = openPlace(servers[name]()?.url ?? '')
    const statements: Query[] = []
    const COUNT = 600
    after(close)

    /** Rows that the nodes of its plan give or leave out when it is run, and nothing is kept. */
    async function rowsReadBy(query: Query): Promise<number> {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        return (await explain(client, query, 'ANALYZE, TIMING off, ')).reduce((sum, node) => {
          const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0)
          return sum + ((node['Actual Rows'] ?? 0) + removed) * (node['Actual Loops'] ?? 0)
        }, 0)
      } finally {
        await client.query('ROLLBACK')
        client.release()
      }
    }

    test(`unpark and reconcile of ${COUNT} of each kind read each a few times`, async (t) => {
      spyOn(pool, statements)
      const events = `${schema}.outbox_events`
      const store: Store = postgres({ pool, schema, listen: false })
      await store.schema.migrate({ lanes: 1 })
      await pool.query(`ALTER TABLE ${events} SET (autovacuum_enabled = false)`)
      await pool.query(`ALTER TABLE ${events} DISABLE TRIGGER USER`)
      const fill = (count: number, status: string, availableAt: string, key = status) =>
        pool.query(`
        INSERT INTO ${events} (event_type, source, publisher_backend, status, published_at, available_at, partition_key, lane)
        SELECT 'a', 'b', 'default', '${status}', now(), ${availableAt}, '${key}' || g, 0 FROM generate_series(1, ${count}) AS g`)
      await fill(20_000, 'published', 'NULL')
      await pool.query(`VACUUM ANALYZE ${events}`)
      const statementsOf = async (call: () => Promise<unknown>): Promise<readonly Query[]> => {
        statements.length = 0
        await call()
        return statements.splice(0)
      }
      const locking = await pool.connect()
      t.after(async () => {
        await locking.query('ROLLBACK')
        locking.release()
      })
      const lock = (which: string) => locking.query(`BEGIN; SELECT FROM ${events} WHERE ${which} FOR UPDATE`)
      const unlock = () => locking.query('ROLLBACK')
      const unpark = await statementsOf(() => store.relay.unpark(['default', ''], [0], 2_000))
      const reconcile = await statementsOf(() => store.relay.reconcile(['default', ''], [0]))
      // Around what somebody has locked they are others.
      await fill(1, 'retry', `now() - interval '1 second'`)
      await fill(1, 'pending', `timestamptz '9999-12-31 00:00:00+00'`)
      await lock('available_at IS NOT NULL')
      const around = await statementsOf(() => store.relay.reconcile(['default', ''], [0]))
      await unlock()
      await fill(COUNT, 'retry', `now() - interval '1 second'`)
      await fill(COUNT, 'pending', `now() - interval '1 second'`)
      await fill(COUNT, 'pending', `timestamptz '9999-12-31 00:00:00+00'`)
      await fill(COUNT, 'pending', `now() + interval '1 hour'`)
      // Heads that hold a key each, and what waits behind each of them.
      await fill(COUNT, 'failed', `timestamptz '9999-12-31 00:00:00+00'`, 'blocked')
      await fill(COUNT, 'pending', `timestamptz '9999-12-31 00:00:00+00'`, 'blocked')
      await fill(COUNT, 'retry', `now() + interval '2 hours'`, 'held')
      await fill(COUNT, 'pending', `now() + interval '2 hours'`, 'held')
      const read: number[] = []
      await lock(`available_at <= now() AND seq % 2 = 0`)
      for (const query of unpark) read.push(await rowsReadBy(query))
      await unlock()
      const asked = new Map([...reconcile, ...around].map((query) => [query.text, query]))
      for (const query of asked.values()) read.push(await rowsReadBy(query))
      assert.ok(read.length >= 5, `${read.length} statements`)
      // For each that is read once more for each other it is 360,000 and more.
      assert.ok(Math.max(...read) < 100 * COUNT, `rows read: ${read}`)
    })
  })
}
