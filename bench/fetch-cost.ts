/**
 * What one fetch costs beside a large table: must stay flat (at most 1.5 times) between an outbox with nothing but
 * what is due and one with millions of published rows, 500,000 scheduled for tomorrow and 100,000 waiting behind one
 * blocked key, with the statistics of an empty table and with fresh ones.
 *
 *     node bench/fetch-cost.ts [--published 5000000] [--json]
 *
 * Both outboxes have the same due rows and are measured in turns (A B A B). Exits with 1 when a ratio is above 1.5.
 */
import { parseArgs } from 'node:util'
import { postgres } from '../src/store/postgres/postgres.ts'
import type { LaneCursor } from '../src/store/relay-store.ts'
import { openPlace, type Place } from '../test/store/postgres-place.ts'
import { servers } from '../test/support/servers.ts'

const LANES = 64
const DUE = 20_000
const LIMIT_PER_LANE = 16
const ROUNDS = 10
const FETCHES = 15
const MOST = 1.5

interface Measured {
  readonly statistics: 'stale' | 'fresh'
  readonly read: 'from the head' | 'from the cursor'
  readonly emptyMs: number
  readonly fullMs: number
  readonly ratio: number
}

const { values } = parseArgs({
  options: { published: { type: 'string', default: '5000000' }, json: { type: 'boolean', default: false } },
})
const published = Number(values.published)
const server = servers.postgres()
if (server === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')

const say = (text: string): void => {
  if (!values.json) console.log(text)
}
const empty = openPlace(server.url, 2)
const full = openPlace(server.url, 2)
try {
  const stores = await Promise.all([create(empty), create(full)])
  const start = performance.now()
  await fill(full)
  await Promise.all([insertDue(empty), insertDue(full)])
  say(
    `filled in ${((performance.now() - start) / 1000).toFixed(0)} s: ${published} published, 500000 scheduled, 100000 blocked`,
  )
  const results: Measured[] = []
  for (const statistics of ['stale', 'fresh'] as const) {
    if (statistics === 'fresh') await Promise.all([empty, full].map((place) => analyse(place)))
    for (const read of ['from the head', 'from the cursor'] as const) {
      results.push(await measure(stores, statistics, read))
    }
  }
  const passed = results.every(({ ratio }) => ratio <= MOST)
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
      published,
      due: DUE,
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

async function create({ pool, schema }: Place): Promise<Fetch> {
  const store = postgres({ pool, schema, listen: false })
  await store.schema.migrate({ lanes: LANES })
  // The statistics of an empty table, kept for as long as they are wanted. Unlogged only to fill it faster.
  await pool.query(`ALTER TABLE ${schema}.outbox_events SET UNLOGGED`)
  await pool.query(`ALTER TABLE ${schema}.outbox_events SET (autovacuum_enabled = false)`)
  await pool.query(`ANALYZE ${schema}.outbox_events`)
  return (lanes) => store.relay.fetch(['default', ''], lanes)
}

async function analyse({ pool, schema }: Place): Promise<void> {
  await pool.query(`VACUUM ANALYZE ${schema}.outbox_events`)
}

async function fill(place: Place): Promise<void> {
  const { pool, schema } = place
  const trigger = (state: string) => pool.query(`ALTER TABLE ${schema}.outbox_events ${state} TRIGGER USER`)
  await trigger('DISABLE')
  await insert(place, published, `'published'`, 'NULL', `'k' || g % 1000`)
  await insert(place, 500_000, `'pending'`, `now() + interval '1 day'`, `'k' || g % 1000`)
  await insert(place, 1, `'failed'`, `timestamptz '9999-12-31 00:00:00+00'`, `'blocked'`, '7')
  await insert(place, 100_000, `'pending'`, `timestamptz '9999-12-31 00:00:00+00'`, `'blocked'`, '7')
  await trigger('ENABLE')
}

async function insertDue(place: Place): Promise<void> {
  await insert(place, DUE, `'pending'`, 'NULL', `'k' || g % 1000`)
}

async function insert(
  { pool, schema }: Place,
  count: number,
  status: string,
  availableAt: string,
  key: string,
  lane = `g % ${LANES}`,
): Promise<void> {
  await pool.query(`
    INSERT INTO ${schema}.outbox_events
      (event_type, source, data, publisher_backend, status, published_at, available_at, partition_key, lane)
    SELECT 'order.created', '/orders', '{"order":1,"text":"0123456789012345678901234567890123456789"}', 'default',
      ${status}, CASE ${status} WHEN 'published' THEN now() END, ${availableAt}, ${key}, ${lane}
    FROM generate_series(1, ${count}) AS g`)
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
