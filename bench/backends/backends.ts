/**
 * Each backend beside its own client: the client's best loop, which sends the same bytes with no outbox; the backend alone,
 * given batches of 500; and the whole relay, PostgreSQL to the broker. A B C, A B C, in one run.
 *
 *     npm run bench -- --backend redis-streams [--backend kafka ...] [--events 30000] [--pairs 3] [--json path]
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import type { SendContext } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { encodeStructured } from '../../src/event/structured.ts'
import { hashKey } from '../../src/record/hash-key.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { sampleEvents } from '../../src/testing/sample-events.ts'
import { serverCpu } from '../throughput/cpu.ts'
import { type OpenPeer, type Payload, PEERS, type Peer } from './peer.ts'

const { values } = parseArgs({
  options: {
    backend: { type: 'string', multiple: true, default: [] },
    events: { type: 'string', default: '30000' },
    pairs: { type: 'string', default: '3' },
    json: { type: 'string', default: 'bench/results/backends.json' },
  },
})
const WANTED = 0.6
const BATCH = 500
/** As a worker that owns all lanes; a key has one. */
const CONTEXT: SendContext = {
  mayBegin: () => true,
  ownerOf: ({ partitionKey }) => ({ lane: hashKey(partitionKey ?? '') % 64, fence: 1 }),
}
const postgresUrl = process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/test'
const count = Number(values.events)

/** Microseconds for each event. */
interface Figures {
  readonly way: 'encode' | 'loop' | 'backend' | 'relay'
  readonly eventsPerSecond: number
  readonly ownCpu: number
  readonly brokerCpu: number | undefined
  readonly postgresCpu: number | undefined
}

async function measure(way: Figures['way'], peer: Peer, work: () => Promise<void>): Promise<Figures> {
  const servers = (): readonly (number | undefined)[] => [serverCpu(peer.process), serverCpu('postgres')]
  const before = servers()
  const cpu = process.cpuUsage()
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const after = servers()
  const perEvent = (n: number): number | undefined =>
    before[n] === undefined || after[n] === undefined ? undefined : ((after[n] - before[n]) / count) * 1e6
  return {
    way,
    eventsPerSecond: count / seconds,
    ownCpu: (user + system) / count,
    brokerCpu: perEvent(0),
    postgresCpu: perEvent(1),
  }
}

/** Ids are new each time: some brokers drop what they know. */
function events(): readonly OutgoingEvent[] {
  return sampleEvents(count, 2_000, { data: JSON.stringify({ order: 1, padding: 'x'.repeat(200) }) })
}

async function loop(peer: Peer, open: OpenPeer): Promise<Figures> {
  const payloads = events().map((event): Payload => {
    const body = Buffer.from(encodeStructured(event.toEncodable()))
    return { id: event.id, key: event.partitionKey ?? '', body }
  })
  return measure('loop', peer, () => open.send(payloads))
}

/** What the loop is spared: each event made into bytes. */
async function encode(peer: Peer): Promise<Figures> {
  const all = events()
  let bytes = 0
  return measure('encode', peer, async () => {
    for (const event of all) bytes += Buffer.from(encodeStructured(event.toEncodable())).length
    if (bytes === 0) throw new Error('nothing was encoded')
  })
}

async function alone(peer: Peer, { backend }: OpenPeer): Promise<Figures> {
  const all = events()
  const never = new AbortController().signal
  let next = 0
  return measure('backend', peer, async () => {
    // Four sends at a time, as a worker has.
    const lane = async (): Promise<void> => {
      for (let at = next; at < all.length; at = next) {
        next += BATCH
        const results = await backend.send(all.slice(at, at + BATCH), never, CONTEXT)
        for (const result of results) if (!result.ok) throw result.error
      }
    }
    await Promise.all(Array.from({ length: 4 }, lane))
  })
}

async function relay(peer: Peer, { backend }: OpenPeer): Promise<Figures> {
  const schema = `bench_backends_${process.pid}`
  const pool = new Pool({ connectionString: postgresUrl, max: 8 })
  try {
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`)
    const broadcaster = new Broadcaster({
      store: postgres({ pool, schema }),
      backends: { default: { ...backend, close: async () => undefined } },
      worker: { retention: false, batchSize: BATCH },
    })
    await broadcaster.store.schema.migrate()
    for (let done = 0; done < count; done += 5_000) {
      const batch = Array.from({ length: Math.min(5_000, count - done) }, (_, n) => ({
        type: 'order.created',
        source: '/bench/orders',
        data: { order: done + n, padding: 'x'.repeat(200) },
        partitionKey: `key-${(done + n) % 2_000}`,
      }))
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, batch))
    }
    await pool.query(`VACUUM ANALYZE ${schema}.outbox_events`)
    const all = Promise.withResolvers<void>()
    let left = count
    const stop = onSignal('event.published', () => {
      if (--left === 0) all.resolve()
    })
    const figures = await measure('relay', peer, async () => {
      await broadcaster.worker().start()
      await all.promise
    })
    stop()
    await broadcaster.close()
    return figures
  } finally {
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await pool.end()
  }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0

function show({ way, eventsPerSecond, ownCpu, brokerCpu, postgresCpu }: Figures): void {
  const us = (value: number | undefined): string => (value === undefined ? '?' : value.toFixed(1)).padStart(10)
  const rate = Math.round(eventsPerSecond).toLocaleString('en').padStart(11)
  console.log(`${way.padEnd(10)}${rate}${us(ownCpu)}${us(brokerCpu)}${us(postgresCpu)}`)
}

const results: Record<string, { readonly runs: readonly Figures[]; readonly ratio: number }> = {}
for (const name of values.backend.length === 0 ? PEERS : values.backend) {
  const found = PEERS.find((each) => each === name)
  if (found === undefined) throw new Error(`there is no backend '${name}' here; known are ${PEERS.join(', ')}`)
  const { peer } = (await import(`./${found}.ts`)) as { readonly peer: Peer }
  const open = await peer.open(`bench-${process.pid}-${found}`)
  console.log(
    `\n${peer.title}: ${count.toLocaleString('en')} events of about 300 bytes, 2,000 keys. Loop: ${peer.loop}`,
  )
  console.log('CPU in microseconds for each event\n')
  console.log('             events/s  this one    broker  postgres')
  const runs: Figures[] = []
  try {
    // Compiled code and open connections before the first figure.
    await open.send((await loopWarmUp()).slice(0, 1_000))
    for (let pair = 0; pair < Number(values.pairs); pair++) {
      for (const way of [encode, loop, alone, relay]) {
        const figures = await way(peer, open)
        runs.push(figures)
        show(figures)
      }
    }
  } finally {
    await open.backend.close()
    await open.close()
  }
  const of = (way: Figures['way'], pick: (figures: Figures) => number): number =>
    median(runs.filter((run) => run.way === way).map(pick))
  const rate = (way: Figures['way']): number => of(way, (run) => run.eventsPerSecond)
  const ratio = rate('backend') / rate('loop')
  results[found] = { runs, ratio }
  const percent = (value: number): string => `${Math.round(value * 100)} %`
  console.log(
    `\nthe backend reaches ${percent(ratio)} of its client's own loop (wanted ${percent(WANTED)}), the whole relay ${percent(rate('relay') / rate('loop'))}`,
  )
  const own = (way: Figures['way']): string => of(way, (run) => run.ownCpu).toFixed(1)
  const fair = 1 / (1 / rate('loop') + 1 / rate('encode'))
  console.log(
    `the loop sends bytes made before; with making them it would reach ${Math.round(fair).toLocaleString('en')} events/s, and the backend ${percent(rate('backend') / fair)} of that. ` +
      `Own CPU for each event: the loop ${own('loop')} us, encoding ${own('encode')} us, the backend ${own('backend')} us (order by key and a result for each event, too), ` +
      `the relay ${own('relay')} us, and PostgreSQL ${of('relay', (run) => run.postgresCpu ?? 0).toFixed(1)} us for fetch and settle, all on the same cores`,
  )
}
mkdirSync(dirname(values.json), { recursive: true })
writeFileSync(
  values.json,
  `${JSON.stringify({ at: new Date().toISOString(), node: process.version, results }, null, 2)}\n`,
)
console.log(`\nwritten to ${values.json}`)

async function loopWarmUp(): Promise<readonly Payload[]> {
  return sampleEvents(1_000, 100).map((event) => ({
    id: event.id,
    key: event.partitionKey ?? '',
    body: Buffer.from(encodeStructured(event.toEncodable())),
  }))
}
