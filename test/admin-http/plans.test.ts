import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Pool, QueryConfig } from 'pg'
import { Broadcaster } from 'ts-broadcaster'
import { memoryBackend } from 'ts-broadcaster/memory'
import { postgres } from 'ts-broadcaster/postgres'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { adminHandler, asking, BY_TOKEN } from './desk.ts'

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly Plan[]
}

/** How a statement read the events table. */
interface Access {
  readonly text: string
  readonly nodes: readonly string[]
  readonly rows: number
}

interface Answer {
  readonly rows: readonly Readonly<Record<string, readonly { readonly Plan: Plan }[]>>[]
}

const ROWS = 100_000
/** Rows that one statement may read: a step of a search, or a count that stops at 10,000, of two indexes. */
const READ = 2 * 10_001

/** Explains what runs on this pool in its own session, with the settings that hold there, before it runs. */
function explainOn(pool: Pool, seen: Access[]): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => Promise<Answer | readonly Answer[]>
    Object.assign(client, {
      async query(...given: unknown[]) {
        const [asked] = given
        const { text, values = [] } = typeof asked === 'string' ? { text: asked } : (asked as QueryConfig<unknown[]>)
        const [, settings = '', statement = ''] = /^((?:SET LOCAL [^;]*;)*)\s*(.*)$/s.exec(text) ?? []
        const reads =
          /^(SELECT|WITH)\b/i.test(statement) && !/\b(UPDATE|DELETE|INSERT|pg_notify|set_config)\b/.test(statement)
        if (reads || /^(WITH|UPDATE|DELETE|INSERT)\b/i.test(statement)) {
          const explain = `${settings}EXPLAIN (FORMAT JSON${reads ? ', ANALYZE, TIMING OFF' : ''}) ${statement}`
          const answer = await query(values.length > 0 ? { text: explain, values } : explain)
          const plan = [answer].flat().at(-1)?.rows[0]?.['QUERY PLAN']?.[0]?.Plan
          const nodes = plan ? nodesOf(plan).filter((node) => node['Relation Name'] === 'outbox_events') : []
          seen.push({
            text: statement,
            nodes: nodes.map((node) => node['Node Type']),
            rows: nodes.reduce((all, node) => all + rowsOf(node), 0),
          })
        }
        return query(...given)
      },
    })
  })
}

function nodesOf(plan: Plan): readonly Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

function rowsOf(node: Plan): number {
  const each = [node['Actual Rows'], node['Rows Removed by Filter'], node['Rows Removed by Index Recheck']]
  return (node['Actual Loops'] ?? 0) * each.reduce<number>((all, rows) => all + (rows ?? 0), 0)
}

/** No screen reads the whole table: each call of the API, on a table of some size, with true statistics. */
describe('plans of the queries of the admin on PostgreSQL', { skip: skipWithout('postgres') }, () => {
  const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '', 4)
  const seen: Access[] = []
  let broadcaster: Broadcaster
  let ask: ReturnType<typeof asking>
  let ids: Readonly<Record<string, string>>

  before(async () => {
    explainOn(pool, seen)
    const store = postgres({ pool, schema, listen: false })
    await store.schema.migrate({ lanes: 16 })
    await pool.query(`ALTER TABLE ${schema}.outbox_events DISABLE TRIGGER USER`)
    const fill = (from: number, count: number, status: string, availableAt = 'NULL') =>
      pool.query(`
      INSERT INTO ${schema}.outbox_events (id, event_type, source, subject, publisher_backend, status, published_at,
        available_at, partition_key, lane, last_error, data, created_at)
      SELECT ('018f' || lpad(to_hex(g), 8, '0') || '70008000' || lpad(to_hex(g), 12, '0'))::uuid,
        'order.' || g % 7, '/shop', 'order-' || g, 'default', '${status}',
        CASE WHEN '${status}' = 'published' THEN now() END, ${availableAt}, 'k' || g % 5000, g % 16,
        CASE WHEN '${status}' = 'failed' THEN 'connect failed [ECONNREFUSED] ' || g ELSE '' END,
        ('{"total":' || g || '}')::json, now() - (${ROWS} - g) * interval '1 second'
      FROM generate_series(${from}, ${from + count - 1}) AS g`)
    await fill(1, ROWS - 2_000, 'published')
    await fill(ROWS - 1_999, 1_000, 'failed', "timestamptz '9999-12-31 00:00:00+00'")
    await fill(ROWS - 999, 1_000, 'pending')
    await pool.query(`ANALYZE ${schema}.outbox_events`)
    broadcaster = new Broadcaster({ name: 'plans', store, backends: { default: memoryBackend() }, logger: false })
    ask = asking(adminHandler(broadcaster, { ...BY_TOKEN, showKeys: true, searchRows: 25_000 }))
    const of = async (status: 'failed' | 'pending' | 'published') =>
      (await broadcaster.admin.filter({ status }).orderBy('-id').limit(1).all())[0]?.id ?? ''
    ids = { failed: await of('failed'), pending: await of('pending'), published: await of('published') }
  })
  after(async () => {
    await broadcaster?.close()
    await close()
  })

  /** Calls, and checks what each of its statements reads. */
  async function check(path: string, body?: object): Promise<void> {
    seen.length = 0
    const { status, text } = await ask(`api/${path}`, {
      as: 'admin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    assert.equal(status, 200, `${path}: ${text}`)
    for (const { text, nodes, rows } of seen) {
      assert.ok(!nodes.includes('Seq Scan'), `${path}: ${nodes.join(', ')} of ${text}`)
      assert.ok(rows <= READ, `${path}: ${rows} rows of ${text}`)
    }
  }

  const filters = [
    ...['', 'status:failed', 'status:pending', 'status:failed code:ECONNREFUSED', 'is:blocked', 'is:due'],
    ...['status:published', 'type:order.*', 'key:k7', 'backend:default', 'created:<1h', 'error:refused', 'order-77'],
    ...['data.total:>99000', 'status:failed data.total:1', '-type:order.1'],
  ]
  for (const path of [
    'status',
    'backends',
    'keys',
    'findings',
    'storage',
    'failures',
    'audit',
    'operations',
    'suggest?q=type:',
  ]) {
    test(path, () => check(path))
  }
  for (const filter of filters) {
    test(`events?q=${filter}`, async () => {
      const q = encodeURIComponent(filter)
      for (const path of [`events?q=${q}`, `events?q=${q}&order=created`, `events/count?q=${q}`]) await check(path)
    })
  }
  test('one event, whatever its status', async () => {
    for (const id of Object.values(ids)) await check(`events/${id}`)
  })
  test('keys: a page of many asks for all of its keys at once', async () => {
    await check('keys')
    const asked = seen.filter(({ nodes }) => nodes.length > 0).length
    const { blocked } = (await ask('api/keys', { as: 'admin' })).json<{ readonly blocked: readonly unknown[] }>()
    assert.equal(blocked.length, 50)
    assert.ok(asked < 10, `${asked} statements`)
  })
  test('dry runs and moves', async () => {
    for (const [what, body] of [
      ['requeue', { q: 'status:failed type:order.1', dryRun: true }],
      ['cancel', { q: 'key:k7', dryRun: true }],
      ['replay', { q: 'type:order.*', dryRun: true }],
      ['requeue', { ids: [ids['failed']] }],
      ['cancel', { ids: [ids['failed']] }],
      ['replay', { ids: [ids['published']] }],
      ['delete', { ids: [ids['pending']] }],
    ] as const) {
      await check(`actions/${what}`, body)
    }
  })
  test('the control: a query that reads it all is seen', async () => {
    seen.length = 0
    await pool.query(`SELECT id FROM ${schema}.outbox_events WHERE source = 'none'`)
    assert.deepEqual(
      seen.map(({ nodes }) => nodes),
      [['Seq Scan']],
    )
    assert.ok(Number(seen[0]?.rows) > ROWS / 2)
  })
})
