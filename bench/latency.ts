/**
 * How long an event takes from the start of its transaction on PostgreSQL to a reader of the Redis stream, beside the least that
 * this can take: one INSERT, COMMIT and then XADD, by the same process. Both in one run, A B A B; what counts is the ratio
 * within each pair.
 *
 *     npm run bench -- latency [--rates 50,200,1000] [--pairs 5] [--seconds 5] [--hold [--delivered 200000]] [--json path]
 *
 * `--hold`: a transaction that has written is held open elsewhere all the while, and so many events were delivered since it
 * began. The worker has the defaults and connections of its own. Publisher, worker and reader share this process.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { postgres } from '../src/store/postgres/postgres.ts'
import type { Store } from '../src/store/store.ts'
import { openPlace } from '../test/store/postgres-place.ts'
import { servers } from '../test/support/servers.ts'
import { type Latency, measureLatency, timeArrivals } from './throughput/latency.ts'

const { values } = parseArgs({
  options: {
    rates: { type: 'string', default: '50,200,1000' },
    pairs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    hold: { type: 'boolean', default: false },
    delivered: { type: 'string', default: '0' },
    json: { type: 'string', default: 'bench/results/latency.json' },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const stream = `bench_latency_${process.pid}`
const place = openPlace(server.url, 12)
const { pool, schema } = place
const workers = openPlace(server.url, 12).pool
await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
const store = postgres({ pool: workers, schema }) as Store
const publishing = postgres({ pool, schema, listen: false }) as Store
await store.schema.migrate()
await pool.query(`CREATE TABLE ${schema}.bare (id bigserial PRIMARY KEY, data text NOT NULL)`)
const redis = createClient({ url: redisUrl })
await redis.connect()
const holder = values.hold ? await pool.connect() : undefined
await holder?.query(`BEGIN; CREATE TABLE ${schema}.held (id int)`)
if (Number(values.delivered) > 0) {
  const events = `${schema}.outbox_events`
  await pool.query(`ALTER TABLE ${events} DISABLE TRIGGER USER`)
  await pool.query(`
INSERT INTO ${events} (event_type, source, publisher_backend, lane, data)
SELECT 'order.created', '/bench', 'default', g % 64, '{}' FROM generate_series(1, ${Number(values.delivered)}) AS g`)
  await pool.query(`UPDATE ${events} SET status = 'published', published_at = now() WHERE status = 'pending'`)
  await pool.query(`ALTER TABLE ${events} ENABLE TRIGGER USER`)
}

/** In one transaction of the caller's, and only then told. */
async function bare(rate: number): Promise<Latency> {
  return timeArrivals(redisUrl, stream, rate, Number(values.seconds), async (_, at) => {
    const data = JSON.stringify({ data: { at } })
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(`INSERT INTO ${schema}.bare (data) VALUES ($1)`, [data])
      await client.query('COMMIT')
    } finally {
      client.release()
    }
    await redis.xAdd(stream, '*', { cloud_event: data })
  })
}

const median = (all: readonly number[]): number =>
  all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)] ?? Number.NaN
const results: unknown[] = []
console.log(
  `milliseconds, bare INSERT, COMMIT, XADD / ours${values.hold ? `, a transaction held open, ${values.delivered} delivered since` : ''}\n`,
)
console.log('    rate  pair            p50  ratio            p99  ratio')
for (const rate of values.rates.split(',').map(Number)) {
  const ratios: { readonly p50: number; readonly p99: number }[] = []
  for (let pair = 1; pair <= Number(values.pairs); pair++) {
    const least = await bare(rate)
    const ours = await measureLatency(store, publishing, redisUrl, stream, rate, Number(values.seconds))
    const ratio = { p50: ours.p50 / least.p50, p99: ours.p99 / least.p99 }
    ratios.push(ratio)
    results.push({ rate, pair, bare: least, ours })
    const cell = (of: 'p50' | 'p99'): string =>
      `${least[of].toFixed(1)} / ${ours[of].toFixed(1)}`.padStart(15) + ratio[of].toFixed(2).padStart(7)
    console.log(`${String(rate).padStart(8)}${String(pair).padStart(6)}${cell('p50')}${cell('p99')}`)
  }
  const [p50, p99] = [median(ratios.map((one) => one.p50)), median(ratios.map((one) => one.p99))]
  console.log(
    `${String(rate).padStart(8)}  median ratio: p50 ${p50.toFixed(2)} (goal 2), p99 ${p99.toFixed(2)} (goal 1.5)\n`,
  )
}
await holder?.query('ROLLBACK')
holder?.release()
mkdirSync(dirname(values.json), { recursive: true })
writeFileSync(values.json, `${JSON.stringify({ node: process.version, results }, undefined, 2)}\n`)
await redis.close()
await pool.query(`DROP SCHEMA ${schema} CASCADE`)
await store.close()
await publishing.close()
await workers.end()
await pool.end()
