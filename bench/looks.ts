/**
 * What it costs the database to be asked for lag, stuck and waiting beside a large table, and whether the answer is right under load.
 *
 *     npm run bench -- looks [--rows 5000000] [--pending 1000000] [--stuck 100000] [--looks 15] [--seconds 10] [--json]
 *
 * PostgreSQL. `--rows` in all, of them `--pending` undelivered, of which `--stuck` wait behind a blocked key. Each statement of a look
 * is timed at the connection, before a VACUUM (as after a burst) and after it. Then a second outbox is published to and drained for
 * `--seconds`, and each of many looks there must lie between what a full scan says just before and just after it, give or take a second.
 * Exits with 1 when a statement takes more than 5 ms, or an answer is wrong.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Pool, PoolClient } from 'pg'
import { type Backend, delivered } from '../src/backend/backend.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import type { Store } from '../src/store/store.ts'
import { openPlace } from '../test/store/postgres-place.ts'
import { servers } from '../test/support/servers.ts'
import { fillLarge } from './fill-large.ts'

const MOST = 5
/** The texts of what the server keeps under a name. */
const kept = new Map<string, string>()
/** Of the answers under load, in ms. */
const LATE = 1_000

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    pending: { type: 'string', default: '1000000' },
    stuck: { type: 'string', default: '100000' },
    looks: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const [rows, pending, stuck] = [Number(values.rows), Number(values.pending), Number(values.stuck)]
const say = (text: string): void => {
  if (!values.json) console.log(text)
}
const url = servers.postgres()?.url
if (url === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')

const costs = await costsOfLooks(url)
const wrong = await wrongUnderLoad(url)
const slow = costs.filter(({ ms }) => ms > MOST)
const passed = slow.length === 0 && wrong.length === 0
say(`\n${passed ? 'passed' : 'FAILED'}: at most ${MOST} ms each, and right within a second`)
console.log(JSON.stringify({ bench: 'looks', rows, pending, stuck, costs, wrong, passed }))
if (!passed) process.exitCode = 1

interface Cost {
  readonly table: string
  readonly statement: string
  /** Median. */
  readonly ms: number
}

async function costsOfLooks(server: string): Promise<readonly Cost[]> {
  const { pool, schema, close } = openPlace(server, 2)
  try {
    const took = new Map<string, number[]>()
    pool.on('connect', (client) => watch(client, took))
    const store = postgres({ pool, schema, listen: false }) as Store
    await store.schema.migrate()
    const seconds = await fillLarge(pool, `${schema}.outbox_events`, { rows, pending, stuck })
    say(`${rows} rows in ${seconds.toFixed(0)} s, ${pending} pending, ${stuck} of them stuck`)
    const costs: Cost[] = []
    for (const table of ['not vacuumed', 'vacuumed']) {
      if (table === 'vacuumed') await pool.query(`VACUUM ANALYZE ${schema}.outbox_events`)
      await store.admin.look()
      took.clear()
      for (let n = 0; n < Number(values.looks); n++) await store.admin.look()
      for (const [statement, times] of took) costs.push({ table, statement, ms: median(times) })
      say(`\n${table}:`)
      for (const [statement, times] of took) say(`${median(times).toFixed(2).padStart(8)} ms  ${statement}`)
      const all = [...took.values()].reduce((sum, times) => sum + median(times), 0)
      say(`${all.toFixed(2).padStart(8)} ms  all of them`)
    }
    await store.close()
    return costs
  } finally {
    await close()
  }
}

/** Times the statements of a connection by what they ask for. */
function watch(client: PoolClient, took: Map<string, number[]>): void {
  const { query } = client
  const timed = async (...given: readonly unknown[]): Promise<unknown> => {
    const [asked] = given as [string | { readonly text: string }]
    const start = performance.now()
    const result: unknown = await Reflect.apply(query, client, given)
    const name = nameOf(typeof asked === 'string' ? asked : asked.text)
    took.set(name, [...(took.get(name) ?? []), performance.now() - start])
    return result
  }
  client.query = timed as typeof query
}

function nameOf(text: string): string {
  const [, prepared, statement] = /PREPARE (\w+) AS ([\s\S]+)$/.exec(text) ?? []
  if (prepared !== undefined && statement !== undefined) kept.set(prepared, statement)
  const [, executed] = /EXECUTE (\w+)/.exec(text) ?? []
  return ((executed === undefined ? undefined : kept.get(executed)) ?? text)
    .replace(/SET LOCAL [a-z_]+timeout\s*=\s*\d+;/g, '')
    .replace(/"[a-z_0-9]+"\./g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 90)
}

/** What looks said that was not so, of an outbox with a backlog that grows and is drained. */
async function wrongUnderLoad(server: string): Promise<readonly string[]> {
  const { pool, schema, close } = openPlace(server, 8)
  const store = postgres({ pool, schema, listen: { url: server } }) as Store
  await store.schema.migrate()
  const slowly: Backend = {
    capabilities: { ordersWithinSend: true },
    async send(events) {
      await delay(20)
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => {},
  }
  const broadcaster = new Broadcaster({ store, name: schema, backends: { default: slowly } })
  const worker = broadcaster.worker({ batchSize: 50, concurrency: 1 })
  const wrong: string[] = []
  let [looks, most] = [0, 0]
  try {
    await worker.start()
    const end = performance.now() + 1_000 * Number(values.seconds)
    const publishing = (async () => {
      for (let n = 0; performance.now() < end; n++) {
        // Faster than they are delivered, and then nothing for a while.
        const events = Array.from({ length: 100 }, (_, at) => ({ type: 'a', source: '/b', data: at }))
        if (n % 100 < 60) await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
        await delay(30)
      }
    })()
    while (performance.now() < end) {
      const before = await exactly(pool, schema)
      const [seen] = (await broadcaster.admin.stats()).backends
      const after = await exactly(pool, schema)
      const [waiting, lag] = [seen?.waiting.count ?? 0, seen?.lag ?? 0]
      const [fewest, greatest] = [Math.min(before.waiting, after.waiting), Math.max(before.waiting, after.waiting)]
      // What is published and delivered within a second.
      const slack = 3_500
      if (waiting < fewest - slack || waiting > greatest + slack)
        wrong.push(`${waiting} waiting, and not ${fewest} to ${greatest}`)
      const [least, longest] = [Math.min(before.lag, after.lag), Math.max(before.lag, after.lag)]
      if (lag < least - LATE || lag > longest + LATE) wrong.push(`a lag of ${lag} ms, and not ${least} to ${longest}`)
      looks++
      most = Math.max(most, waiting)
      await delay(50)
    }
    await publishing
    say(`\nunder load: ${looks} looks, up to ${most} waiting, ${wrong.length} wrong ${wrong.slice(0, 3).join('; ')}`)
    return wrong
  } finally {
    await broadcaster.close()
    await close()
  }
}

async function exactly(pool: Pool, schema: string): Promise<{ readonly waiting: number; readonly lag: number }> {
  const { rows: found } = await pool.query(`
    SELECT count(*) AS waiting, date_part('epoch', clock_timestamp() - min(scheduled_at)) * 1000 AS lag
    FROM ${schema}.outbox_events WHERE status NOT IN ('published', 'failed', 'cancelled') AND scheduled_at <= clock_timestamp()`)
  return { waiting: Number(found[0].waiting), lag: Number(found[0].lag ?? 0) }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}
