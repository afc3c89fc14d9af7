/**
 * What the OpenTelemetry integration costs where no SDK is registered: CPU of worker and database for each event with it, beside
 * without it, in pairs that take turns at who is first.
 *
 *     npm run bench -- tracing [--pairs 20] [--events 10000] [--json]
 *
 * PostgreSQL on this machine, and a backend that acknowledges at once, so that nothing hides the difference. Both arms are in one
 * process, warm, each with a connection pool of its own: in processes of their own, what is compiled when made pairs differ by a
 * fifth. Exits with 1 when the median ratio of delivering is above 1.02.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as api from '@opentelemetry/api'
import { Pool } from 'pg'
import { type Backend, delivered } from '../src/backend/backend.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { openTelemetry } from '../src/opentelemetry/opentelemetry.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import { servers } from '../test/support/servers.ts'

const MOST = 1.02
const WARM_UP = 10_000
const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '20' },
    events: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false },
  },
})
const events = Number(values.events)
const say = (text: string): void => {
  if (!values.json) console.log(text)
}
const url = servers.postgres()?.url
if (url === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** CPU of this process and of the database, in microseconds for each event. */
interface Cost {
  readonly publish: number
  readonly deliver: number
}

class Arm implements AsyncDisposable {
  readonly #schema: string
  readonly #pool: Pool
  readonly #broadcaster: Broadcaster

  constructor(name: string, hooks: ReturnType<typeof openTelemetry> | undefined) {
    this.#schema = `bench_tracing_${name}_${process.pid}`
    this.#pool = new Pool({ connectionString: url, max: 4, idleTimeoutMillis: 0, application_name: this.#schema })
    const nowhere: Backend = {
      capabilities: { ordersWithinSend: true },
      send: async (some) => some.map(() => delivered),
      healthCheck: async () => ({ healthy: true }),
      close: async () => {},
    }
    const store = postgres({ pool: this.#pool, schema: this.#schema, listen: false })
    this.#broadcaster = new Broadcaster({ store, name, backends: { default: nowhere }, ...(hooks && { hooks }) })
  }

  async open(): Promise<void> {
    await this.#broadcaster.store.schema.migrate()
    await this.#pool.query(`ALTER TABLE ${this.#schema}.outbox_events SET (autovacuum_enabled = false)`)
    await this.cost(WARM_UP)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broadcaster.close()
    await this.#pool.query(`DROP SCHEMA IF EXISTS ${this.#schema} CASCADE`)
    await this.#pool.end()
  }

  async cost(count: number): Promise<Cost> {
    const publish = await this.#costOf(count, () => this.#publish(count))
    const deliver = await this.#costOf(count, () => this.#broadcaster.worker({ retention: false }).drain())
    await this.#pool.query(`TRUNCATE ${this.#schema}.outbox_events`)
    return { publish, deliver }
  }

  async #publish(count: number): Promise<void> {
    const data = { text: 'x'.repeat(280) }
    for (let left = count; left > 0; left -= 100) {
      const some = Array.from({ length: Math.min(100, left) }, () => ({
        type: 'order.created',
        source: '/orders',
        data,
      }))
      await this.#broadcaster.transaction((tx) => this.#broadcaster.publishMany(tx, some))
    }
  }

  async #costOf(count: number, work: () => Promise<unknown>): Promise<number> {
    const { rows } = await this.#pool.query('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [
      this.#schema,
    ])
    const server = (): number => rows.reduce((sum, { pid }) => sum + onCpu(pid), 0)
    collectGarbage()
    const [own, theirs] = [process.cpuUsage(), server()]
    await work()
    const { user, system } = process.cpuUsage(own)
    return (user + system + server() - theirs) / count
  }
}

/** Microseconds that a process was on a processor. */
function onCpu(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
}

interface Ratio {
  readonly median: number
  /** In which the true median lies with 95 %, or a little more. */
  readonly interval: readonly [number, number]
}

function ratioOf(ratios: readonly number[]): Ratio {
  const sorted = ratios.toSorted((a, b) => a - b)
  const at = (n: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, n))] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  // By the binomial distribution: of 20 the 6th and the 15th.
  const aside = Math.floor((sorted.length - 1.96 * Math.sqrt(sorted.length)) / 2)
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    interval: [at(aside), at(sorted.length - 1 - aside)],
  }
}

await using plain = new Arm('without', undefined)
await using traced = new Arm('with', openTelemetry(api))
await plain.open()
await traced.open()
const [publish, deliver]: [number[], number[]] = [[], []]
say('pair   deliver us with / without   ratio    publish us with / without   ratio')
for (let pair = 1; pair <= Number(values.pairs); pair++) {
  const order = pair % 2 === 1 ? [traced, plain] : [plain, traced]
  const costs = new Map<Arm, Cost>()
  for (const arm of order) costs.set(arm, await arm.cost(events))
  const [one, other] = [costs.get(traced), costs.get(plain)]
  if (one === undefined || other === undefined) continue
  deliver.push(one.deliver / other.deliver)
  publish.push(one.publish / other.publish)
  const show = (what: keyof Cost): string =>
    `${one[what].toFixed(1)} / ${other[what].toFixed(1)}`.padStart(28) +
    (one[what] / other[what]).toFixed(3).padStart(8)
  say(`${String(pair).padStart(4)}${show('deliver')}${show('publish')}`)
}
const [delivering, publishing] = [ratioOf(deliver), ratioOf(publish)]
for (const [what, { median, interval }] of [['deliver', delivering] as const, ['publish', publishing] as const]) {
  say(`${what}: median ${median.toFixed(3)}, 95 % interval ${interval.map((each) => each.toFixed(3)).join(' to ')}`)
}
const passed = delivering.median <= MOST
say(`\n${passed ? 'passed' : 'FAILED'}: at most ${MOST}`)
console.log(
  JSON.stringify({ bench: 'tracing', pairs: deliver.length, deliver: delivering, publish: publishing, passed }),
)
if (!passed) process.exitCode = 1
