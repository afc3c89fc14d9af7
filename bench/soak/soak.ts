/**
 * Whether a worker keeps its rate, its latency and its memory: events at half the rate at which it drains, for an hour, and a
 * transaction elsewhere held open in the second half. PostgreSQL to Redis Streams, the worker in a process of its own with its
 * defaults.
 *
 *     npm run bench -- soak [--minutes 60] [--rate events/s] [--json path] [--svg path]
 *
 * Without `--rate` it first measures how fast the worker drains, and takes half. Each tenth of the time is a line: events a second, how
 * long an event took from its publish to a reader of the stream, the worker's RSS and CPU, the sizes of the table and its indexes.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import type { PoolClient } from 'pg'
import { createClient } from 'redis'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { openPlace } from '../../test/store/postgres-place.ts'
import { servers } from '../../test/support/servers.ts'
import { linesOf, svg } from '../lines.ts'
import { describeMachine } from '../machine.ts'
import { Arrivals } from './arrivals.ts'
import { NOTHING_YET, type SoakReport, type SoakTask } from './soak-task.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string' },
    json: { type: 'string', default: 'bench/results/soak.json' },
    svg: { type: 'string' },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const PARTS = 10
/** Published to find the rate of a drain. */
const TO_DRAIN = 50_000
/** Between two publishes, in ms. */
const TICK = 20
const PADDING = 'x'.repeat(200)

interface Part {
  readonly eventsPerSecond: number
  readonly p50: number
  readonly p99: number
  /** Of the worker, at the end of the part. */
  readonly memoryMB: number
  /** Of the worker; microseconds for each event. */
  readonly cpu: number
  readonly tableMB: number
  readonly indexesMB: number
  readonly deadRows: number
}

const place = openPlace(server.url, 8)
const { pool, schema } = place
const stream = `bench_soak_${process.pid}`
const redis = createClient({ url: redisUrl })
await redis.connect()
const broadcaster = new Broadcaster({
  store: postgres({ pool, schema }),
  backends: { default: eachEvent(() => undefined) },
})
await broadcaster.store.schema.migrate()
let made = 0

/** Publishes so many in one transaction. */
async function publish(count: number): Promise<void> {
  const at = performance.timeOrigin + performance.now()
  const events = Array.from({ length: count }, () => ({
    type: 'order.created',
    source: '/bench/orders',
    data: { at, order: made, padding: PADDING },
    partitionKey: `key-${made++ % 2_000}`,
  }))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
}

const task: SoakTask = { url: server.url, schema, redisUrl, stream, maxLength: 100_000 }
function startWorker() {
  const child = fork(new URL('./worker-process.ts', import.meta.url), [JSON.stringify(task)])
  const state = { last: NOTHING_YET }
  child.on('message', (report) => void (state.last = report as SoakReport))
  const started = once(child, 'message')
  const stop = async (): Promise<void> => {
    child.send('stop')
    if (child.exitCode === null) await once(child, 'exit')
  }
  return { state, started, stop }
}

/** Events a second of a drain, from the first report on. */
async function drainRate(): Promise<number> {
  for (let n = 0; n < TO_DRAIN; n += 5_000) await publish(5_000)
  const { state, stop } = startWorker()
  let begin: { readonly at: number; readonly published: number } | undefined
  while (state.last.published < TO_DRAIN) {
    const before = state.last
    await new Promise((resolve) => setTimeout(resolve, 10))
    if (before !== state.last && before.published === 0)
      begin = { at: performance.now(), published: state.last.published }
  }
  const end = performance.now()
  await stop()
  if (begin === undefined || begin.published >= TO_DRAIN)
    throw new Error('drained before it could be measured; give --rate')
  return ((TO_DRAIN - begin.published) / (end - begin.at)) * 1_000
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

async function sizes(): Promise<Pick<Part, 'tableMB' | 'indexesMB' | 'deadRows'>> {
  const { rows } = await pool.query(
    `SELECT pg_table_size(relid) AS heap, pg_indexes_size(relid) AS indexes, n_dead_tup AS dead
     FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'outbox_events'`,
    [schema],
  )
  const [{ heap, indexes, dead }] = rows as [{ heap: string; indexes: string; dead: string }]
  return { tableMB: Number(heap) / 2 ** 20, indexesMB: Number(indexes) / 2 ** 20, deadRows: Number(dead) }
}

try {
  const machine = await describeMachine(pool, redis)
  const rate = values.rate === undefined ? Math.floor((await drainRate()) / 2) : Number(values.rate)
  await pool.query(`TRUNCATE ${schema}.outbox_events`)
  await redis.del(stream)
  made = 0
  const arrivals = new Arrivals(redisUrl, stream)
  await arrivals.start()
  const worker = startWorker()
  await worker.started
  const length = (Number(values.minutes) * 60_000) / PARTS
  const parts: Part[] = []
  let holder: PoolClient | undefined
  console.log(`${rate} events/s for ${values.minutes} minutes, a transaction held open in the second half\n`)
  console.log('  part  events/s     p50 ms    p99 ms     RSS MB  CPU us   table MB  indexes MB   dead rows')
  const start = performance.now()
  for (let part = 0; part < PARTS; part++) {
    if (part === PARTS / 2) {
      holder = await pool.connect()
      await holder.query(`BEGIN; CREATE TABLE ${schema}.held (id int)`)
    }
    const [before, seen, begin] = [worker.state.last, arrivals.seen, performance.now()]
    const end = start + (part + 1) * length
    const publishing: Promise<void>[] = []
    for (let now = begin; now < end; now = performance.now()) {
      const due = Math.floor(((now - start) / 1_000) * rate) - made
      if (due > 0) publishing.push(publish(due))
      if (publishing.length > 3) await publishing.shift()
      await new Promise((resolve) => setTimeout(resolve, TICK))
    }
    await Promise.all(publishing)
    const times = arrivals.take()
    const { published, memory, cpu } = worker.state.last
    const one: Part = {
      eventsPerSecond: ((arrivals.seen - seen) / (performance.now() - begin)) * 1_000,
      p50: at(times, 0.5),
      p99: at(times, 0.99),
      memoryMB: memory / 2 ** 20,
      cpu: ((cpu - before.cpu) / Math.max(1, published - before.published)) * 1e6,
      ...(await sizes()),
    }
    parts.push(one)
    const cells = [part + 1, one.eventsPerSecond, one.p50, one.p99, one.memoryMB, one.cpu, one.tableMB, one.indexesMB]
    const digits = [0, 0, 1, 1, 0, 1, 0, 0]
    const widths = [6, 10, 11, 10, 11, 8, 11, 12]
    console.log(
      cells.map((cell, n) => cell.toFixed(digits[n]).padStart(widths[n] ?? 10)).join('') +
        String(one.deadRows).padStart(12),
    )
  }
  await holder?.query('ROLLBACK')
  holder?.release()
  const give = performance.now() + 30_000
  while (arrivals.seen < made && performance.now() < give) await new Promise((resolve) => setTimeout(resolve, 50))
  await worker.stop()
  await arrivals.stop()
  if (arrivals.seen !== made) {
    console.error(`${made} events were published, and ${arrivals.seen} arrived`)
    process.exitCode = 1
  }
  const spread = (figure: (part: Part) => number): string => {
    const all = parts.map(figure)
    return (Math.max(...all) / Math.min(...all)).toFixed(2)
  }
  console.log(
    `\ngreatest / least: events/s ${spread((part) => part.eventsPerSecond)}, p99 ${spread((part) => part.p99)}`,
  )
  mkdirSync(dirname(values.json), { recursive: true })
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine, rate, minutes: Number(values.minutes), parts }, undefined, 2)}\n`,
  )
  if (values.svg !== undefined) {
    const line = (label: string, colour: string, figure: (part: Part) => number) => ({
      label,
      colour,
      values: parts.map(figure),
    })
    const plots = [
      ...linesOf(30, 'Events a second', [line('delivered', '#4063d8', (part) => part.eventsPerSecond)], '/s', 760),
      ...linesOf(
        200,
        'Milliseconds from publish to reader',
        [line('p99', '#cb3c33', (part) => part.p99), line('p50', '#389826', (part) => part.p50)],
        'ms',
        760,
      ),
      ...linesOf(370, 'RSS of the worker', [line('RSS', '#4063d8', (part) => part.memoryMB)], 'MB', 760),
      ...linesOf(
        540,
        'Size of the events table',
        [line('table', '#389826', (part) => part.tableMB), line('indexes', '#4063d8', (part) => part.indexesMB)],
        'MB',
        760,
      ),
      `<text x="10" y="715">${rate} events/s for ${values.minutes} minutes; from the middle on a transaction is held open elsewhere. ${machine.at.slice(0, 10)}</text>`,
    ]
    writeFileSync(values.svg, svg('A worker at half its drain rate', 760, 730, plots))
  }
  console.log(`written to ${values.json}`)
} finally {
  await redis.del(stream)
  redis.destroy()
  await broadcaster.close()
  await place.close()
}
