/**
 * What it saves to keep no history: a drain with `retention.published: 'delete'` beside one that keeps what was delivered, on
 * each store, in turn (A B A B): events a second, CPU of the server, write-ahead log, and the size of the table afterwards.
 *
 *     npm run bench -- history [--store postgres] [--events 20000] [--pairs 5] [--json]
 *
 * The backend delivers nowhere, so that what is measured is the store and the relay.
 */
import { parseArgs } from 'node:util'
import { eachEvent } from '../src/backend/each-event.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { PLACED_STORES } from '../test/support/store-places.ts'
import { serverCpu } from './throughput/cpu.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    events: { type: 'string', default: '20000' },
    pairs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const EVENTS = Number(values.events)
const SERVERS = { postgres: 'postgres', mariadb: 'mariadbd', mysql: 'mysqld', sqlite: undefined } as const

interface Drained {
  readonly rate: number
  /** CPU of the server for one event, in microseconds. */
  readonly cpu: number | undefined
  /** Write-ahead log for one event, in bytes. */
  readonly wal: number | undefined
  /** The table with its indexes afterwards, in bytes for one event that went through. */
  readonly size: number | undefined
}

async function drain(kind: (typeof PLACED_STORES)[number], published: 'delete' | null): Promise<Drained> {
  const placed = await kind.open()
  const isPostgres = placed.place.kind === 'postgres'
  const number = async (sql: string): Promise<number> => Number((await placed.look(sql))[0]?.['n'])
  const broadcaster = new Broadcaster({
    store: placed.store,
    backends: { default: eachEvent(() => undefined) },
    worker: { retention: { published } },
  })
  try {
    await placed.store.schema.migrate()
    for (let done = 0; done < EVENTS; done += 5_000) {
      const batch = Array.from({ length: Math.min(5_000, EVENTS - done) }, (_, n) => ({
        type: 'order.created',
        source: '/bench',
        data: { order: done + n, padding: 'x'.repeat(200) },
        partitionKey: `key-${(done + n) % 2_000}`,
      }))
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, batch))
    }
    if (isPostgres) await placed.look('VACUUM ANALYZE outbox_events')
    if (isPostgres) await placed.look('CHECKPOINT')
    const name = SERVERS[kind.name]
    const walAt = () => number(`SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS n`)
    const before = { cpu: name && serverCpu(name), wal: isPostgres ? await walAt() : 0, at: performance.now() }
    await broadcaster.processPendingEvents()
    const seconds = (performance.now() - before.at) / 1_000
    const cpu = name && serverCpu(name)
    return {
      rate: EVENTS / seconds,
      cpu: cpu === undefined || before.cpu === undefined ? undefined : ((cpu - before.cpu) * 1e6) / EVENTS,
      wal: isPostgres ? ((await walAt()) - before.wal) / EVENTS : undefined,
      size: isPostgres ? (await number(`SELECT pg_total_relation_size('outbox_events') AS n`)) / EVENTS : undefined,
    }
  } finally {
    await broadcaster.close()
    await placed.close()
  }
}

const median = (some: readonly number[]): number => some.toSorted((a, b) => a - b)[some.length >> 1] ?? Number.NaN
const results = []
for (const kind of PLACED_STORES.filter(({ name }) => values.store === undefined || values.store === name)) {
  const pairs: { kept: Drained; deleted: Drained }[] = []
  await drain(kind, null)
  for (let n = 0; n < Number(values.pairs); n++)
    pairs.push({ kept: await drain(kind, null), deleted: await drain(kind, 'delete') })
  const of = (what: keyof Drained) => {
    const known = pairs.map(({ kept, deleted }) => ({ kept: kept[what], deleted: deleted[what] }))
    const [kept, deleted] = [known.map((pair) => pair.kept ?? 0), known.map((pair) => pair.deleted ?? 0)]
    const ratio = median(known.map((pair) => (pair.deleted ?? 0) / (pair.kept ?? 0)))
    return { kept: median(kept), deleted: median(deleted), ratio }
  }
  const result = { store: kind.name, rate: of('rate'), cpu: of('cpu'), wal: of('wal'), size: of('size') }
  results.push(result)
  if (values.json) continue
  console.log(`\n${kind.name}: ${EVENTS} events, medians of ${pairs.length} pairs`)
  for (const [what, unit] of [
    ['rate', 'events/s'],
    ['cpu', 'us of the server for an event'],
    ['wal', 'bytes of WAL for an event'],
    ['size', 'bytes of table and indexes for an event'],
  ] as const) {
    const { kept, deleted, ratio } = result[what]
    if (Number.isNaN(ratio)) continue
    console.log(
      `  kept ${kept.toFixed(0).padStart(7)}  deleted ${deleted.toFixed(0).padStart(7)}  ${ratio.toFixed(2)}x  ${unit}`,
    )
  }
}
console.log(JSON.stringify({ bench: 'history', events: EVENTS, results }))
