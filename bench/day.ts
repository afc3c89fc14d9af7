/**
 * Whether an outbox stays small: a day of events, in half an hour, through a table whose retention keeps a tenth of them, and how large
 * the table and its indexes are meanwhile. PostgreSQL with its autovacuum on, to Redis Streams.
 *
 *     npm run bench -- day [--events 10000000] [--keep 1000000] [--rate 5000] [--interval 10000] [--json path] [--svg path]
 *
 * Publishes at this rate, in events a second, while no more than 20,000 wait. Each twentieth of the events is a line. From three times
 * what is kept on, the greatest size divided by the least is how flat it stays.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { eachEvent } from '../src/backend/each-event.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import { openPlace } from '../test/store/postgres-place.ts'
import { servers } from '../test/support/servers.ts'
import { linesOf, svg } from './lines.ts'
import { describeMachine } from './machine.ts'
import { NOTHING_YET, type SoakReport, type SoakTask } from './soak/soak-task.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    keep: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '5000' },
    interval: { type: 'string', default: '10000' },
    json: { type: 'string', default: 'bench/results/day.json' },
    svg: { type: 'string' },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const [events, keep, rate] = [Number(values.events), Number(values.keep), Number(values.rate)]
const PARTS = 20
/** Published in one transaction. */
const BATCH = 1_000
/** Events that wait, at most. */
const MOST_WAITING = 20_000
const PADDING = 'x'.repeat(200)

interface Part {
  readonly published: number
  readonly eventsPerSecond: number
  /** Rows of the events table, counted. */
  readonly rows: number
  readonly tableMB: number
  readonly indexesMB: number
  readonly deadRows: number
  readonly vacuums: number
  /** Of the worker. */
  readonly memoryMB: number
}

const place = openPlace(server.url, 8)
const { pool, schema } = place
const stream = `bench_day_${process.pid}`
const redis = createClient({ url: redisUrl })
await redis.connect()
const broadcaster = new Broadcaster({
  store: postgres({ pool, schema }),
  backends: { default: eachEvent(() => undefined) },
})
let made = 0

async function publish(): Promise<void> {
  const some = Array.from({ length: BATCH }, () => ({
    type: 'order.created',
    source: '/bench/orders',
    data: { order: made, padding: PADDING },
    partitionKey: `key-${made++ % 20_000}`,
  }))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, some))
}

async function sizes(): Promise<Pick<Part, 'rows' | 'tableMB' | 'indexesMB' | 'deadRows' | 'vacuums'>> {
  const { rows } = await pool.query(
    `SELECT pg_table_size(relid) AS heap, pg_indexes_size(relid) AS indexes, n_dead_tup AS dead, autovacuum_count AS vacuums,
       (SELECT count(*) FROM ${schema}.outbox_events) AS rows
     FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'outbox_events'`,
    [schema],
  )
  const [one] = rows as [Record<'heap' | 'indexes' | 'dead' | 'vacuums' | 'rows', string>]
  return {
    rows: Number(one.rows),
    tableMB: Number(one.heap) / 2 ** 20,
    indexesMB: Number(one.indexes) / 2 ** 20,
    deadRows: Number(one.dead),
    vacuums: Number(one.vacuums),
  }
}

try {
  const { rows: settings } = await pool.query<{ autovacuum: string }>('SHOW autovacuum')
  if (settings[0]?.autovacuum !== 'on') {
    throw new Error(
      'autovacuum is off on this server, so nothing could stay small; set POSTGRES_URL to one that has it',
    )
  }
  await broadcaster.store.schema.migrate()
  const machine = await describeMachine(pool, redis)
  const task: SoakTask = {
    ...{ url: server.url, schema, redisUrl, stream, maxLength: 10_000 },
    retention: { keep: { published: keep }, interval: Number(values.interval) },
  }
  const child = fork(new URL('./soak/worker-process.ts', import.meta.url), [JSON.stringify(task)])
  let told: SoakReport = NOTHING_YET
  child.on('message', (report) => void (told = report as SoakReport))
  await once(child, 'message')
  console.log(`${events} events, ${rate} a second, of which retention keeps ${keep}, every ${values.interval} ms\n`)
  console.log('   published  events/s        rows   table MB  indexes MB   dead rows  vacuums  RSS MB')
  const parts: Part[] = []
  const start = performance.now()
  for (let part = 1; part <= PARTS; part++) {
    const [begin, before] = [performance.now(), told.published]
    const end = (events / PARTS) * part
    while (made < end) {
      const isEarly = (): boolean => made > ((performance.now() - start) / 1_000) * rate
      while (isEarly() || made - told.published > MOST_WAITING) await new Promise((resolve) => setTimeout(resolve, 20))
      await publish()
    }
    const seconds = (performance.now() - begin) / 1_000
    const one: Part = {
      published: made,
      eventsPerSecond: (told.published - before) / seconds,
      ...(await sizes()),
      memoryMB: told.memory / 2 ** 20,
    }
    parts.push(one)
    console.log(
      `${one.published.toString().padStart(12)}${one.eventsPerSecond.toFixed(0).padStart(10)}${one.rows
        .toString()
        .padStart(12)}${one.tableMB.toFixed(0).padStart(11)}${one.indexesMB.toFixed(0).padStart(12)}${one.deadRows
        .toString()
        .padStart(12)}${one.vacuums.toString().padStart(9)}${one.memoryMB.toFixed(0).padStart(8)}`,
    )
  }
  const give = performance.now() + 60_000
  while (told.published < made && performance.now() < give) await new Promise((resolve) => setTimeout(resolve, 100))
  child.send('stop')
  if (child.exitCode === null) await once(child, 'exit')
  if (told.published !== made) {
    console.error(`${made} events were published, and ${told.published} delivered`)
    process.exitCode = 1
  }
  const steady = parts.filter(({ published }) => published >= 3 * keep)
  const spread = (figure: (part: Part) => number): string =>
    (Math.max(...steady.map(figure)) / Math.min(...steady.map(figure))).toFixed(2)
  console.log(
    `\nfrom ${3 * keep} events on, greatest / least: table ${spread(({ tableMB }) => tableMB)}, indexes ${spread(({ indexesMB }) => indexesMB)}`,
  )
  mkdirSync(dirname(values.json), { recursive: true })
  writeFileSync(values.json, `${JSON.stringify({ machine, events, keep, parts }, undefined, 2)}\n`)
  if (values.svg !== undefined) {
    const sizesOf = [
      { label: 'table', colour: '#389826', values: parts.map(({ tableMB }) => tableMB) },
      { label: 'indexes', colour: '#4063d8', values: parts.map(({ indexesMB }) => indexesMB) },
    ]
    const rows = [{ label: 'rows', colour: '#4063d8', values: parts.map(({ rows }) => rows) }]
    const plots = [
      ...linesOf(30, 'Size of the events table', sizesOf, 'MB', 760),
      ...linesOf(200, 'Rows of the events table', rows, '', 760),
      `<text x="10" y="375">${events.toLocaleString('en')} events, from left to right; retention keeps ${keep.toLocaleString('en')}. ${machine.at.slice(0, 10)}</text>`,
    ]
    writeFileSync(values.svg, svg('A day of events through an outbox with retention', 760, 390, plots))
  }
  console.log(`written to ${values.json}`)
} finally {
  await redis.del(stream)
  redis.destroy()
  await broadcaster.close()
  await place.close()
}
