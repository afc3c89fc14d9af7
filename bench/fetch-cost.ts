/**
 * What one fetch costs beside a large table: must stay flat (at most 1.5 times) between an outbox with nothing but
 * what is due and one with millions of published rows, 500,000 scheduled for tomorrow and 100,000 waiting behind one
 * blocked key, with the statistics of an empty table and with fresh ones.
 *
 *     npm run bench -- fetch-cost [--store postgres|mariadb|mysql] [--published 5000000] [--partitions 30] [--json]
 *
 * `--partitions`: the second has so many, over which its rows are spread, and a fetch with its settle is measured too.
 *
 * Both outboxes have the same due rows and are measured in turns (A B A B). Exits with 1 when a ratio is above 1.5.
 */
import { parseArgs } from 'node:util'
import type { LaneCursor } from '../src/store/relay-store.ts'
import { FETCH_OUTBOXES, type FetchOutbox } from './fetch-outboxes.ts'

const LANES = 64
const DUE = 20_000
const LIMIT_PER_LANE = 16
const ROUNDS = 10
const FETCHES = 15
const SETTLES = 16
const MOST = 1.5

interface Measured {
  readonly statistics: 'stale' | 'fresh'
  readonly read: 'from the head' | 'from the cursor'
  readonly emptyMs: number
  readonly fullMs: number
  readonly ratio: number
}

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'postgres' },
    published: { type: 'string', default: '5000000' },
    partitions: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
})
const published = Number(values.published)
const partitions = Number(values.partitions)
const open = FETCH_OUTBOXES[values.store]
if (open === undefined) {
  throw new Error(`there is no store '${values.store}' here; known are ${Object.keys(FETCH_OUTBOXES).join(', ')}`)
}

const say = (text: string): void => {
  if (!values.json) console.log(text)
}
const [empty, full] = [await open(LANES), await open(LANES, partitions)]
try {
  const stores = [fetchOf(empty), fetchOf(full)]
  const start = performance.now()
  await fill(full)
  for (const outbox of [empty, full]) await outbox.insert({ count: DUE, status: 'pending', available: 'at once' })
  say(
    `filled in ${((performance.now() - start) / 1000).toFixed(0)} s: ${published} published, 500000 scheduled, 100000 blocked`,
  )
  const results: Measured[] = []
  for (const statistics of ['stale', 'fresh'] as const) {
    if (statistics === 'fresh') await Promise.all([empty, full].map((outbox) => outbox.analyse()))
    for (const read of ['from the head', 'from the cursor'] as const) {
      results.push(await measure(stores, statistics, read))
    }
  }
  const passed = results.every(({ ratio }) => ratio <= MOST)
  const settled = partitions > 0 ? await measureSettle(empty, full) : undefined
  if (settled) say(`\nfetch and settle of 1,024 events: ${settled.map((ms) => ms.toFixed(2)).join(' and ')} ms`)
  say('\nstatistics  read              empty ms   full ms   ratio')
  for (const { statistics, read, emptyMs, fullMs, ratio } of results) {
    say(
      `${statistics.padEnd(11)} ${read.padEnd(16)} ${emptyMs.toFixed(2).padStart(9)} ${fullMs.toFixed(2).padStart(9)} ${ratio.toFixed(2).padStart(7)}`,
    )
  }
  say(`\n${passed ? 'passed' : 'FAILED'}: at most ${MOST}\n`)
  console.log(
    JSON.stringify({
      bench: 'fetch-cost',
      store: values.store,
      published,
      due: DUE,
      ...(settled && { partitions, settled }),
      lanes: LANES,
      batch: LANES * LIMIT_PER_LANE,
      results,
      passed,
    }),
  )
  if (!passed) process.exitCode = 1
} finally {
  await empty.close()
  await full.close()
}

type Fetch = (lanes: readonly LaneCursor[]) => Promise<readonly unknown[]>

function fetchOf({ store }: FetchOutbox): Fetch {
  return (lanes) => store.relay.fetch(['default', ''], lanes)
}

async function fill(outbox: FetchOutbox): Promise<void> {
  await outbox.insert({ count: published, status: 'published', available: 'at once' })
  await outbox.insert({ count: 500_000, status: 'pending', available: 'tomorrow' })
  await outbox.insert({ count: 1, status: 'failed', available: 'never', blocked: true })
  await outbox.insert({ count: 100_000, status: 'pending', available: 'never', blocked: true })
}

async function measure(
  [fetchEmpty, fetchFull]: readonly Fetch[],
  statistics: Measured['statistics'],
  read: Measured['read'],
): Promise<Measured> {
  if (!fetchEmpty || !fetchFull) throw new Error('two outboxes')
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, fetch] of [fetchEmpty, fetchFull].entries()) times[n]?.push(...(await timesOf(fetch, read)))
  }
  const [emptyMs, fullMs] = times.map(median) as [number, number]
  return { statistics, read, emptyMs, fullMs, ratio: fullMs / emptyMs }
}

/** Batches of what is due are fetched and settled, in turns; the median in ms of each outbox. */
async function measureSettle(...outboxes: readonly FetchOutbox[]): Promise<readonly number[]> {
  const times: number[][] = outboxes.map(() => [])
  const lanes = Array.from({ length: LANES }, (_, lane) => ({ lane, after: 0, limit: LIMIT_PER_LANE }))
  for (let n = 0; n < SETTLES; n++) {
    for (const [which, { store }] of outboxes.entries()) {
      const start = performance.now()
      const rows = await store.relay.fetch(['default', ''], lanes)
      const outcomes = rows.map(({ id, lane, generation }) => ({ kind: 'published', id, lane, generation }) as const)
      await store.relay.settle({ backend: 'default', workerId: '', fences: new Map() }, outcomes)
      times[which]?.push(performance.now() - start)
      if (rows.length < 1_000) throw new Error(`${rows.length} rows, not a full batch`)
    }
  }
  // The first warms the caches up.
  return times.map((each) => median(each.slice(1)))
}

async function timesOf(fetch: Fetch, read: Measured['read']): Promise<readonly number[]> {
  const head = Array.from({ length: LANES }, (_, lane) => ({ lane, after: 0, limit: LIMIT_PER_LANE }))
  let lanes: readonly LaneCursor[] = head
  const times: number[] = []
  for (let n = 0; n < FETCHES; n++) {
    const start = performance.now()
    const rows = (await fetch(lanes)) as readonly { readonly seq: number }[]
    times.push(performance.now() - start)
    if (rows.length !== LANES * LIMIT_PER_LANE) throw new Error(`${rows.length} rows, not a full batch`)
    const last = rows.at(-1)?.seq ?? 0
    if (read === 'from the cursor') lanes = head.map((cursor) => ({ ...cursor, after: last }))
  }
  // The first warms the caches up.
  return times.slice(1)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}
