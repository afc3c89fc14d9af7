/**
 * Many outboxes in one process: a WorkerPool on schemas of one PostgreSQL database, all on one pool of ten connections,
 * with one backend that acknowledges at once.
 *
 *     npm run bench -- tenants [--events 50000] [--tenants 50] [--idle 100] [--seconds 10] [--json]
 *
 * - throughput: the same number of events in one outbox and spread over many;
 * - fairness: how long a single event takes beside an idle neighbour, and beside one with a backlog, at a backend that
 *   takes 5 ms a send and lets 4 sends in at once;
 * - idle: queries a second and CPU of outboxes that have nothing to do, with the pool's idle interval and without, on
 *   PostgreSQL and on SQLite files.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import { type Backend, delivered } from '../src/backend/backend.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { WorkerPool } from '../src/relay/worker-pool.ts'
import type { WorkerPoolOptions } from '../src/relay/worker-pool-options.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import { sqlite } from '../src/store/sqlite/sqlite.ts'
import type { Store } from '../src/store/store.ts'
import { servers } from '../test/support/servers.ts'
import { serverCpu } from './throughput/cpu.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '50000' },
    tenants: { type: 'string', default: '50' },
    idle: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const prefix = `bench_tenants_${process.pid}`
const connections = new Pool({ connectionString: server.url, max: 10 })
const folder = mkdtempSync(join(tmpdir(), 'broadcaster-bench-'))
let queries = 0
/** Counts what the stores ask. */
const counting = new Proxy(connections, {
  get(target, name) {
    if (name === 'query' || name === 'connect') queries++
    const value: unknown = Reflect.get(target, name, target)
    return typeof value === 'function' ? value.bind(target) : value
  },
})

function backend(pause: number): Backend {
  return {
    capabilities: { ordersWithinSend: true },
    async send(events) {
      if (pause > 0) await delay(pause)
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => {},
  }
}

/** CPU seconds of PostgreSQL so far; with whatever else uses the server. */
const postgresCpu = (): number => serverCpu('postgres') ?? Number.NaN

type Kind = 'postgres' | 'sqlite'
let made = 0

/** Outboxes, each migrated, that have one backend. */
async function open(count: number, to: Backend, kind: Kind = 'postgres'): Promise<readonly Broadcaster[]> {
  const all: Broadcaster[] = []
  for (let n = 0; n < count; n++) {
    const name = `${prefix}_${++made}`
    const store: Store =
      kind === 'postgres'
        ? (postgres({ pool: counting, schema: name }) as Store)
        : (sqlite({ path: join(folder, `${name}.db`) }) as Store)
    await store.schema.migrate()
    all.push(new Broadcaster({ name, store, backends: { default: to }, worker: { retention: false } }))
  }
  return all
}

async function fill(broadcaster: Broadcaster, events: number): Promise<void> {
  for (let done = 0; done < events; done += 5_000) {
    const batch = Array.from({ length: Math.min(5_000, events - done) }, (_, n) => ({
      type: 'order.created',
      source: '/bench/orders',
      data: { order: done + n, padding: 'x'.repeat(200) },
      partitionKey: `key-${(done + n) % 2_000}`,
    }))
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, batch))
  }
}

async function throughput(tenants: number, events: number) {
  let left = events
  const done = Promise.withResolvers<void>()
  const counted = backend(0)
  const all = await open(tenants, {
    ...counted,
    async send(batch, signal) {
      const results = await counted.send(batch, signal)
      left -= batch.length
      if (left <= 0) done.resolve()
      return results
    },
  })
  for (const broadcaster of all) await fill(broadcaster, events / tenants)
  const pool = new WorkerPool(all)
  const cpu = process.cpuUsage()
  const before = [postgresCpu(), queries] as const
  const start = performance.now()
  await pool.start()
  await done.promise
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const result = {
    tenants,
    eventsPerSecond: Math.round(events / seconds),
    nodeCpuPerEvent: (user + system) / events,
    postgresCpuPerEvent: ((postgresCpu() - before[0]) * 1e6) / events,
    queriesPerThousand: ((queries - before[1]) * 1_000) / events,
    peakConnections: connections.totalCount,
  }
  await pool.stop()
  return result
}

/** Milliseconds from the commit of a single event to its arrival at the backend. */
async function latencies(neighbourBusy: boolean, options: WorkerPoolOptions, count = 40) {
  let arrived: () => void = () => {}
  let busySends = 0
  const slow = backend(5)
  const to: Backend = {
    ...slow,
    async send(events, signal) {
      if (events[0]?.source === '/single') arrived()
      else busySends++
      return slow.send(events, signal)
    },
  }
  const [big, small] = await open(2, to)
  if (big === undefined || small === undefined) throw new Error('no outboxes')
  if (neighbourBusy) await fill(big, 60_000)
  const pool = new WorkerPool([big, small], { backendConcurrency: 4, ...options })
  await pool.start()
  await delay(1_000)
  const sendsBefore = busySends
  const found: number[] = []
  for (let n = 0; n < count; n++) {
    const arrival = new Promise<void>((resolve) => (arrived = resolve))
    await small.transaction((tx) => small.publish(tx, { type: 'single', source: '/single' }))
    const start = performance.now()
    await arrival
    found.push(performance.now() - start)
    await delay(20)
  }
  const neighbourSends = busySends - sendsBefore
  await pool.stop()
  found.sort((a, b) => a - b)
  const at = (share: number): number => found[Math.floor(found.length * share)] ?? Number.NaN
  return { neighbourBusy, neighbourSends, median: at(0.5), worst: at(0.999) }
}

async function idle(kind: Kind, tenants: number, worker: { readonly idleInterval?: number }) {
  const all = await open(tenants, backend(0), kind)
  const pool = new WorkerPool(all, { worker })
  await pool.start()
  // Until all have gone to rest.
  await delay(15_000)
  const seconds = Number(values.seconds)
  const cpu = process.cpuUsage()
  const before = [postgresCpu(), queries] as const
  await delay(seconds * 1_000)
  const { user, system } = process.cpuUsage(cpu)
  const result = {
    kind,
    tenants,
    idleInterval: worker.idleInterval ?? 5_000,
    queriesPerSecondAndTenant: kind === 'postgres' ? (queries - before[1]) / seconds / tenants : undefined,
    nodeCpuPercent: (user + system) / 1e4 / seconds,
    postgresCpuPercent: kind === 'postgres' ? ((postgresCpu() - before[0]) * 100) / seconds : undefined,
    connections: kind === 'postgres' ? connections.totalCount : undefined,
    memoryMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  }
  await pool.stop()
  for (const broadcaster of all) await broadcaster.close()
  return result
}

try {
  const events = Number(values.events)
  const rates = []
  for (const tenants of [1, Number(values.tenants), 1, Number(values.tenants)]) {
    rates.push(await throughput(tenants, events))
    if (!values.json) console.log(rates.at(-1))
  }
  const waits = [await latencies(false, {}), await latencies(true, {})]
  if (!values.json) console.log(...waits)
  const rests = []
  const count = Number(values.idle)
  for (const [kind, worker] of [
    ['postgres', {}],
    ['postgres', { idleInterval: 1_000 }],
    ['sqlite', {}],
    ['sqlite', { idleInterval: 1_000 }],
  ] as const) {
    rests.push(await idle(kind, count, worker))
    if (!values.json) console.log(rests.at(-1))
  }
  if (values.json) console.log(JSON.stringify({ bench: 'tenants', throughput: rates, fairness: waits, idle: rests }))
} finally {
  for (let n = 1; n <= made; n++) await connections.query(`DROP SCHEMA IF EXISTS ${prefix}_${n} CASCADE`)
  await connections.end()
  rmSync(folder, { recursive: true })
}
