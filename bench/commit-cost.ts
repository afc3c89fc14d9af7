/**
 * What wake-ups cost the publishers: commits a second of 32 concurrent publishing transactions with the wake trigger,
 * against the same with the trigger disabled (A B A B). Must be at least 0.85 times.
 *
 * Two relays are tried. `working`: a real worker that delivers what is published, and so listens with nothing armed
 * most of the time. `waiting`: one that does nothing but wait, and waits again at once when it is woken: the worst
 * case, with wake-ups as often as they can be.
 *
 *     node bench/commit-cost.ts [--seconds 2] [--rounds 9] [--publishers 32] [--json]
 *
 * Each transaction is one round trip, so that the server and not this process is what is measured. Exits with 1 when
 * the ratio with the working relay is below 0.85.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { type Backend, delivered } from '../src/backend/backend.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import { joinStatement, type Statement } from '../src/store/statement.ts'
import { openPlace } from '../test/store/postgres-place.ts'
import { servers } from '../test/support/servers.ts'

const LEAST = 0.85
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '9' },
    publishers: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
})
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const { url } = server
const place = openPlace(url, 6)
const table = `${place.schema}.outbox_events`
const store = postgres({ pool: place.pool, schema: place.schema, listen: { url } })
await store.schema.migrate()

const nowhere: Backend = {
  send: async (events) => events.map(() => delivered),
  healthCheck: async () => ({ healthy: true }),
  close: async () => {},
}

/** A relay, until the function it resolves with is called. That one tells how often it was woken. */
const relays = {
  async working() {
    const broadcaster = new Broadcaster({ store, backends: { default: nowhere }, worker: { retention: false } })
    const worker = broadcaster.worker()
    await worker.start()
    return async () => {
      await worker.stop()
      return undefined
    }
  },
  async waiting() {
    let woken = 0
    const listener = await store.wake?.listen(
      () => {
        woken++
        again()
      },
      (error) => {
        throw error
      },
    )
    let arming: Promise<unknown> = Promise.resolve()
    const again = (): void => {
      arming = arming.then(() => listener?.disarm()).then(() => listener?.arm())
    }
    again()
    return async () => {
      await arming
      await listener?.close()
      return woken
    }
  },
} as const

const publishers = await Promise.all(
  Array.from({ length: Number(values.publishers) }, async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    return client
  }),
)

interface Measured {
  readonly relay: keyof typeof relays
  readonly withWakeUps: number
  readonly without: number
  readonly ratio: number
  readonly wakeUps: number | undefined
}

try {
  const results: Measured[] = []
  await commitsPerSecond()
  for (const relay of ['working', 'waiting'] as const) results.push(await measure(relay))
  // The other one shows how bad it can get.
  const passed = results.every(({ relay, ratio }) => relay !== 'working' || ratio >= LEAST)
  if (!values.json) {
    console.log('\nrelay     commits/s with   without     ratio   woken/s')
    for (const { relay, withWakeUps, without, ratio, wakeUps } of results) {
      console.log(
        `${relay.padEnd(9)} ${withWakeUps.toFixed(0).padStart(14)} ${without.toFixed(0).padStart(9)} ${ratio.toFixed(2).padStart(9)} ${(wakeUps?.toFixed(0) ?? '').padStart(9)}`,
      )
    }
    console.log(`\n${passed ? 'passed' : 'FAILED'}: at least ${LEAST}\n`)
  }
  console.log(JSON.stringify({ bench: 'commit-cost', publishers: publishers.length, results, passed }))
  if (!passed) process.exitCode = 1
} finally {
  await Promise.all(publishers.map((client) => client.end()))
  await store.close()
  await place.close()
}

async function measure(relay: keyof typeof relays): Promise<Measured> {
  const rates: Record<'with' | 'without', number[]> = { with: [], without: [] }
  const woken: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const variant of round % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const)) {
      await place.pool.query(
        `ALTER TABLE ${table} ${variant === 'with' ? 'ENABLE' : 'DISABLE'} TRIGGER "outbox_events_wake"`,
      )
      const stop = await relays[relay]()
      rates[variant].push(await commitsPerSecond())
      const wakeUps = await stop()
      if (wakeUps !== undefined && variant === 'with') woken.push(wakeUps / Number(values.seconds))
      await place.pool.query(`TRUNCATE ${table}`)
    }
  }
  return {
    relay,
    withWakeUps: median(rates.with),
    without: median(rates.without),
    // Of each pair, measured one after the other: what else the machine does changes more slowly than that.
    ratio: median(rates.with.map((rate, n) => rate / (rates.without[n] ?? Number.NaN))),
    wakeUps: woken.length > 0 ? median(woken) : undefined,
  }
}

async function commitsPerSecond(): Promise<number> {
  const start = performance.now()
  const end = start + Number(values.seconds) * 1000
  const counts = await Promise.all(
    publishers.map(async (client) => {
      let commits = 0
      for (; performance.now() < end; commits++) await client.query(transaction(client))
      return commits
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - start) / 1000)
}

/** BEGIN, what a publish runs, COMMIT, as one text. */
function transaction(client: Client): string {
  const asked = store.publish.insert([
    {
      id: randomUUID(),
      partitionKey: null,
      keyHash: null,
      eventId: null,
      specVersion: '1.0',
      eventType: 'order.created',
      source: '/orders',
      subject: '',
      dataContentType: 'application/json',
      dataSchema: '',
      data: '{"order":1}',
      dataBinary: null,
      extensions: null,
      eventTime: null,
      scheduledAt: null,
      delay: 0,
      maxRetries: 3,
      publisherBackend: 'default',
      publisherConfig: '{}',
    },
  ])
  const statement = asked.next().value as Statement
  const insert = joinStatement(statement, (n) => client.escapeLiteral(String(statement.values[n - 1])))
  return `BEGIN; ${insert}; COMMIT`
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}
