/**
 * Events a second, CPU for each event, latency and memory from a store to Redis Streams; on PostgreSQL beside the
 * algorithm of Django Broadcaster in the same run: ours, seed, ours, seed.
 *
 *     npm run bench -- [--store postgres|mariadb|mysql|sqlite] [--events 100000] [--seed-events 3000] [--pairs 2] [--batch-size 500] [--json path] [--svg path]
 */
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { PLACED_STORES, type PlacedStore } from '../../test/support/store-places.ts'
import { chart } from './chart.ts'
import { serverCpu } from './cpu.ts'
import { type Latency, measureLatency } from './latency.ts'
import type { RelayReport, RelayTask, Run } from './task.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'postgres' },
    events: { type: 'string', default: '100000' },
    'seed-events': { type: 'string', default: '3000' },
    pairs: { type: 'string', default: '2' },
    'batch-size': { type: 'string', default: '500' },
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '10' },
    svg: { type: 'string' },
    json: { type: 'string', default: 'bench/results/throughput.json' },
  },
})
const SERVERS = { postgres: 'postgres', mariadb: 'mariadbd', mysql: 'mysqld', sqlite: 'no server' } as const
const kind = PLACED_STORES.find(({ name }) => name === values.store)
if (kind === undefined)
  throw new Error(`there is no store '${values.store}'; known are postgres, mariadb, mysql, sqlite`)
const serverName = SERVERS[kind.name]
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const stream = `bench_throughput_${process.pid}`
const redis = createClient({ url: redisUrl })

/** An outbox with events of about 300 bytes, 2,000 keys. */
async function filled(events: number): Promise<PlacedStore> {
  const placed = await opened()
  const broadcaster = new Broadcaster({ store: placed.store, backends: { default: eachEvent(() => undefined) } })
  await broadcaster.store.schema.migrate()
  const padding = 'x'.repeat(200)
  for (let done = 0; done < events; done += 5_000) {
    const batch = Array.from({ length: Math.min(5_000, events - done) }, (_, n) => ({
      type: 'order.created',
      source: '/bench/orders',
      data: { order: done + n, padding },
      partitionKey: `key-${(done + n) % 2_000}`,
    }))
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, batch))
  }
  if (placed.place.kind === 'postgres') await placed.look('VACUUM ANALYZE outbox_events')
  if (placed.place.kind === 'mysql') await placed.look('ANALYZE TABLE outbox_events')
  await redis.del(stream)
  return placed
}

async function opened(): Promise<PlacedStore> {
  if (kind === undefined) throw new Error('no store')
  return kind.open()
}

async function relay(algorithm: 'ours' | 'seed', events: number): Promise<Run> {
  const placed = await filled(events)
  try {
    return await run(placed, algorithm, events)
  } finally {
    await placed.close()
  }
}

async function run({ place }: PlacedStore, algorithm: 'ours' | 'seed', events: number): Promise<Run> {
  const batchSize = Number(values['batch-size'])
  const task: RelayTask = { algorithm, place, redisUrl, stream, events, batchSize }
  const child = fork(new URL('./relay-process.ts', import.meta.url), [JSON.stringify(task)])
  const message = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`the relay process ended with ${code}`))
      child.once('exit', onExit)
      child.once('message', (value) => {
        child.off('exit', onExit)
        resolve(value as T)
      })
    })
  await message()
  const before = [serverCpu(serverName), serverCpu('redis-server')] as const
  const reporting = message<RelayReport>()
  child.send('go')
  const { seconds, cpuSeconds, peakMemory } = await reporting
  const after = [serverCpu(serverName), serverCpu('redis-server')] as const
  const length = await redis.xLen(stream)
  if (length !== events) throw new Error(`${events} events were published, the stream has ${length}`)
  const perEvent = (n: 0 | 1): number | undefined =>
    before[n] === undefined || after[n] === undefined ? undefined : ((after[n] - before[n]) / events) * 1e6
  return {
    algorithm,
    events,
    eventsPerSecond: events / seconds,
    relayCpu: (cpuSeconds / events) * 1e6,
    storeCpu: perEvent(0),
    redisCpu: perEvent(1),
    peakMemory,
  }
}

function show({ algorithm, events, eventsPerSecond, relayCpu, storeCpu, redisCpu, peakMemory }: Run): void {
  const us = (value: number | undefined): string => (value === undefined ? '?' : value.toFixed(1)).padStart(9)
  const rate = Math.round(eventsPerSecond).toLocaleString('en')
  const memory = `${Math.round(peakMemory / 2 ** 20)} MiB`
  console.log(
    `${algorithm.padEnd(6)}${events.toLocaleString('en').padStart(9)}${rate.padStart(11)}${us(relayCpu)}${us(storeCpu)}${us(redisCpu)}${memory.padStart(10)}`,
  )
}

/** The other algorithm is written for PostgreSQL. */
const ALGORITHMS = { postgres: ['ours', 'seed'], mariadb: ['ours'], mysql: ['ours'], sqlite: ['ours'] } as const

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0

await redis.connect()
try {
  console.log(`${kind.name} -> Redis Streams, 300-byte events, 2,000 keys; CPU in microseconds for each event\n`)
  console.log('          events   events/s    relay    store    redis    memory')
  const runs: Run[] = []
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    for (const algorithm of ALGORITHMS[kind.name]) {
      const run = await relay(algorithm, Number(algorithm === 'ours' ? values.events : values['seed-events']))
      runs.push(run)
      show(run)
    }
  }
  const placed = await filled(0)
  const latency: Latency = await measureLatency(
    placed.store,
    placed.store,
    redisUrl,
    `${stream}-latency`,
    Number(values.rate),
    Number(values.seconds),
  ).finally(() => placed.close())
  const rates = (algorithm: string): number =>
    median(runs.filter((run) => run.algorithm === algorithm).map((run) => run.eventsPerSecond))
  const ratio = rates('ours') / rates('seed')
  const ms = (value: number): string => `${value.toFixed(1)} ms`
  console.log(
    `\nlatency from before the transaction to the reader, at ${latency.rate} events/s: p50 ${ms(latency.p50)}, p95 ${ms(latency.p95)}, p99 ${ms(latency.p99)}`,
  )
  const compared = Number.isFinite(ratio)
  if (compared) console.log(`ours is ${ratio.toFixed(1)} x the seed system's algorithm (wanted: at least 40 x)`)
  mkdirSync(dirname(values.json), { recursive: true })
  writeFileSync(
    values.json,
    `${JSON.stringify({ store: kind.name, at: new Date().toISOString(), node: process.version, runs, latency, ratio }, null, 2)}\n`,
  )
  if (values.svg !== undefined && compared) writeFileSync(values.svg, chart(runs, latency, ratio))
  console.log(`written to ${values.json}${values.svg === undefined ? '' : ` and ${values.svg}`}`)
  if (compared && ratio < 40) process.exitCode = 1
} finally {
  await redis.del(stream)
  redis.destroy()
}
