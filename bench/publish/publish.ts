/**
 * What a publish costs its transaction on PostgreSQL, beside the least that storing the same bytes can cost: an INSERT by
 * hand into a table of the same columns that has a primary key and nothing else. Both in one run, A B A B; what counts is the
 * ratio within each pair.
 *
 *     npm run bench -- publish [--writers 1,8,32] [--sizes 10,100,1000,10000] [--pairs 7] [--seconds 1.5] [--rate 2000] [--json path]
 *
 * - one event: BEGIN, an INSERT of a business row, `publish` or the bare INSERT, COMMIT, by 1, 8 and 32 writers at once. The bare
 *   INSERT is planned each time, as `pg` does unless one names a statement, and in a third arm kept by name, as a publish is:
 *   the goals are for the first, and the second is shown below it;
 * - many: `publishMany` of so many events, or bare INSERTs of as many rows in VALUES, in one transaction.
 *
 * All the while a worker in another process delivers `--rate` events a second from an outbox of its own. The CPU is that of
 * the writers' connections in PostgreSQL, in microseconds for a transaction. Exits with 1 when a goal is missed.
 */
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { uuidV7 } from '../../src/event/uuid.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { openPlace } from '../../test/store/postgres-place.ts'
import { servers } from '../../test/support/servers.ts'
import { processCpu } from '../throughput/cpu.ts'
import { type BareRow, bareInsert } from './bare-insert.ts'

/** Commits a second and PostgreSQL's CPU, beside the bare INSERT. */
const GOALS: Readonly<Record<string, { readonly rate: number; readonly cpu?: number }>> = {
  '1 writer': { rate: 0.9, cpu: 1.2 },
  '8 writers': { rate: 0.9, cpu: 1.2 },
  '32 writers': { rate: 0.8, cpu: 1.2 },
  '1000 events': { rate: 0.7 },
}
const { values } = parseArgs({
  options: {
    writers: { type: 'string', default: '1,8,32' },
    sizes: { type: 'string', default: '10,100,1000,10000' },
    pairs: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1.5' },
    rate: { type: 'string', default: '2000' },
    json: { type: 'string', default: 'bench/results/publish.json' },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const { url } = server
const place = openPlace(url, 2)
const { schema } = place
const store = postgres({ pool: place.pool, schema, listen: false })
const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() } })
await store.schema.migrate()
await place.pool.query(`
CREATE TABLE ${schema}.orders (id uuid PRIMARY KEY, total integer NOT NULL);
CREATE TABLE ${schema}.bare (LIKE ${schema}.outbox_events INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id))`)

/** A connection that writes; its backend in PostgreSQL is the process `pid`. */
interface Writer {
  readonly client: Client
  readonly pid: number
}

type Arm = 'publish' | 'bare' | 'kept'
type Works = Readonly<Record<'publish' | 'bare', Work>> & { readonly kept?: Work }
/** What a transaction writes beside its business row; `n` counts the transactions. */
type Work = (client: Client, n: number) => Promise<unknown>

interface Measured {
  /** Transactions a second. */
  readonly rate: number
  /** CPU of PostgreSQL for a transaction; microseconds. */
  readonly cpu: number
}

interface Result {
  readonly name: string
  readonly publish: Measured
  readonly bare: Measured
  /** Medians of the pairs' own ratios: what else the machine does changes more slowly than that. */
  readonly rateRatio: number
  readonly cpuRatio: number
  /** The same beside a bare INSERT whose plan is kept. */
  readonly besideKept?: { readonly kept: Measured; readonly rateRatio: number; readonly cpuRatio: number }
}

const padding = 'x'.repeat(200)
const eventOf = (n: number) => ({
  type: 'order.created',
  source: '/bench/orders',
  data: { order: n, padding },
  partitionKey: `key-${n % 2_000}`,
})
const rowOf = (n: number): BareRow => {
  const { type, source, data, partitionKey } = eventOf(n)
  return { id: uuidV7(), lane: n % 64, partitionKey, type, source, data: JSON.stringify(data) }
}
const bare = bareInsert(`${schema}.bare`)

const kept = bareInsert(`${schema}.bare`, 'bare')

const one: Works = {
  publish: (client, n) => broadcaster.publish(client, eventOf(n)),
  bare: (client, n) => bare(client, [rowOf(n)]),
  kept: (client, n) => kept(client, [rowOf(n)]),
}

function many(size: number): Works {
  const numbers = (n: number) => Array.from({ length: size }, (_, index) => n * size + index)
  return {
    publish: (client, n) => broadcaster.publishMany(client, numbers(n).map(eventOf)),
    bare: (client, n) => bare(client, numbers(n).map(rowOf)),
  }
}

async function measure(writers: readonly Writer[], work: Work, seconds: number): Promise<Measured> {
  const cpuOf = (): number => writers.reduce((sum, { pid }) => sum + (processCpu(pid) ?? Number.NaN), 0)
  let transactions = 0
  const before = cpuOf()
  const start = performance.now()
  const end = start + seconds * 1_000
  await Promise.all(
    writers.map(async ({ client }) => {
      while (performance.now() < end) {
        await client.query('BEGIN')
        const order = { text: `INSERT INTO ${schema}.orders (id, total) VALUES ($1, $2)`, values: [uuidV7(), 100] }
        await client.query(order)
        await work(client, transactions++)
        await client.query('COMMIT')
      }
    }),
  )
  const rate = transactions / ((performance.now() - start) / 1_000)
  return { rate, cpu: ((cpuOf() - before) * 1e6) / transactions }
}

async function compare(name: string, count: number, works: Works): Promise<Result> {
  const writers = await Promise.all(Array.from({ length: count }, connect))
  const seconds = Number(values.seconds)
  const arms = Object.entries(works) as readonly (readonly [Arm, Work])[]
  const found: Record<Arm, Measured[]> = { publish: [], bare: [], kept: [] }
  try {
    // What is planned, compiled and cached once is not what is measured.
    for (const [, work] of arms) await measure(writers, work, seconds / 3)
    for (let pair = 0; pair < Number(values.pairs); pair++) {
      for (const [arm, work] of pair % 2 === 0 ? arms : arms.toReversed()) {
        await place.pool.query(`TRUNCATE ${schema}.outbox_events, ${schema}.bare, ${schema}.orders`)
        found[arm].push(await measure(writers, work, seconds))
      }
    }
  } finally {
    await Promise.all(writers.map(({ client }) => client.end()))
  }
  const medians = (arm: Arm): Measured => ({
    rate: median(found[arm].map(({ rate }) => rate)),
    cpu: median(found[arm].map(({ cpu }) => cpu)),
  })
  const beside = (arm: Arm): { readonly rateRatio: number; readonly cpuRatio: number } => {
    const ratio = (member: keyof Measured): number =>
      median(found.publish.map((each, n) => each[member] / (found[arm][n]?.[member] ?? Number.NaN)))
    return { rateRatio: ratio('rate'), cpuRatio: ratio('cpu') }
  }
  return {
    name,
    publish: medians('publish'),
    bare: medians('bare'),
    ...beside('bare'),
    ...(works.kept && { besideKept: { kept: medians('kept'), ...beside('kept') } }),
  }
}

async function connect(): Promise<Writer> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return { client, pid: rows[0]?.pid ?? Number.NaN }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

function isReached({ name, rateRatio, cpuRatio }: Result): boolean {
  const goal = GOALS[name]
  return goal === undefined || (rateRatio >= goal.rate && !(cpuRatio > (goal.cpu ?? Number.POSITIVE_INFINITY)))
}

function show(result: Result): void {
  const { name, publish, bare, rateRatio, cpuRatio, besideKept } = result
  const verdict = GOALS[name] === undefined ? '' : isReached(result) ? '  reached' : '  MISSED'
  console.log(`${line(name, publish, bare, rateRatio, cpuRatio)}${verdict}`)
  if (besideKept === undefined) return
  console.log(line('  plan kept', publish, besideKept.kept, besideKept.rateRatio, besideKept.cpuRatio))
}

function line(name: string, publish: Measured, bare: Measured, rateRatio: number, cpuRatio: number): string {
  const rates = [publish.rate, bare.rate].map((rate) => rate.toFixed(rate < 100 ? 1 : 0).padStart(9)).join('')
  const cpus = [publish.cpu, bare.cpu].map((cpu) => cpu.toFixed(0).padStart(9)).join('')
  return `${name.padEnd(13)}${rates}${rateRatio.toFixed(2).padStart(7)}${cpus}${cpuRatio.toFixed(2).padStart(7)}`
}

const list = (text: string): readonly number[] => text.split(',').filter(Boolean).map(Number)
const neighbour = fork(new URL('./neighbour-process.ts', import.meta.url), [url, values.rate])
try {
  await new Promise((resolve, reject) => {
    neighbour.once('message', resolve)
    neighbour.once('exit', (code) => reject(new Error(`the worker's process ended with ${code}`)))
  })
  console.log('              transactions/s             us of PostgreSQL for each')
  console.log('               publish     bare  ratio  publish     bare  ratio')
  const results: Result[] = []
  const add = (result: Result): void => {
    results.push(result)
    show(result)
  }
  for (const count of list(values.writers)) add(await compare(`${count} writer${count === 1 ? '' : 's'}`, count, one))
  for (const size of list(values.sizes)) add(await compare(`${size} events`, 1, many(size)))
  const delivered = await new Promise((resolve) => {
    neighbour.once('message', resolve)
    neighbour.send('stop')
  })
  console.log(`\nmeanwhile the worker delivered ${delivered} events a second`)
  mkdirSync(dirname(values.json), { recursive: true })
  writeFileSync(values.json, `${JSON.stringify({ at: new Date().toISOString(), delivered, results }, null, 2)}\n`)
  if (!results.every(isReached)) process.exitCode = 1
} finally {
  neighbour.kill()
  await broadcaster.close()
  await place.close()
}
