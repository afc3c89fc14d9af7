/**
 * What options of the worker do to latency: from the start of a transaction to a reader of the Redis stream, at a steady rate, one
 * option changed at a time, in turn in each round.
 *
 *     npm run bench -- option-latency [--rates 20,200] [--rounds 2] [--seconds 3]
 */
import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import { createClient } from 'redis'
import type { WorkerOptions } from '../src/relay/worker-options.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import type { Store } from '../src/store/store.ts'
import { PLACED_STORES, type PlacedStore } from '../test/support/store-places.ts'
import { median } from './median.ts'
import { type Latency, measureLatency } from './throughput/latency.ts'

const { values } = parseArgs({
  options: {
    rates: { type: 'string', default: '20,200' },
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '3' },
  },
})
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const stream = `bench_option_latency_${process.pid}`

interface Arm {
  readonly label: string
  readonly store: 'postgres' | 'mariadb' | 'sqlite'
  readonly worker?: WorkerOptions
  /** PostgreSQL is not asked to announce commits: workers poll, as where nothing can wake them. */
  readonly polls?: true
}

const ARMS: readonly Arm[] = [
  { label: 'PostgreSQL, defaults', store: 'postgres' },
  { label: 'PostgreSQL, pollInterval: 100', store: 'postgres', worker: { pollInterval: 100 } },
  { label: 'PostgreSQL, batchSize: 10', store: 'postgres', worker: { batchSize: 10 } },
  { label: 'PostgreSQL, concurrency: 1', store: 'postgres', worker: { concurrency: 1 } },
  { label: 'PostgreSQL, listen: false', store: 'postgres', polls: true },
  {
    label: 'PostgreSQL, listen: false, pollInterval: 100',
    store: 'postgres',
    polls: true,
    worker: { pollInterval: 100 },
  },
  { label: 'MariaDB, defaults', store: 'mariadb' },
  { label: 'MariaDB, pollInterval: 100', store: 'mariadb', worker: { pollInterval: 100 } },
  { label: 'SQLite, defaults', store: 'sqlite' },
]

async function measure({ store, worker, polls }: Arm, rate: number): Promise<Latency> {
  const placed = (await PLACED_STORES.find(({ name }) => name === store)?.open()) as PlacedStore
  const pool =
    polls && placed.place.kind === 'postgres' ? new Pool({ connectionString: placed.place.url, max: 6 }) : undefined
  try {
    await placed.store.schema.migrate()
    const used =
      pool && placed.place.kind === 'postgres'
        ? (postgres({ pool, schema: placed.place.schema, listen: false }) as Store)
        : placed.store
    return await measureLatency(used, used, redisUrl, stream, rate, Number(values.seconds), worker)
  } finally {
    await placed.close()
    await pool?.end()
  }
}

const found = new Map<string, Latency[]>()
const redis = createClient({ url: redisUrl })
await redis.connect()
try {
  for (let round = 0; round < Number(values.rounds); round++)
    for (const rate of values.rates.split(',').map(Number))
      for (const arm of ARMS) {
        const key = `${arm.label.padEnd(46)}${String(rate).padStart(8)}`
        found.set(key, [...(found.get(key) ?? []), await measure(arm, rate)])
      }
  console.log(`${'milliseconds'.padEnd(46)}events/s       p50       p99`)
  for (const [key, all] of [...found].sort(([one], [other]) => one.localeCompare(other))) {
    const of = (figure: (one: Latency) => number): string => median(all.map(figure)).toFixed(1).padStart(10)
    console.log(key + of(({ p50 }) => p50) + of(({ p99 }) => p99))
  }
} finally {
  await redis.del(stream)
  redis.destroy()
}
