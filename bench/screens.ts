/**
 * How long each call of the admin's pages takes beside a large table, on PostgreSQL.
 *
 *     npm run bench -- screens [--rows 5000000] [--calls 20]
 *
 * `--rows` in all, a fifth of them undelivered, of which a tenth wait behind a blocked key, and a fiftieth more that failed, each of a key of
 * its own. Nothing is cached between two calls but what a call itself keeps for a second; the first call of each is left out. Exits with 1 when
 * the 95th percentile of one is above 50 ms and it is not a search, which has a budget of its own.
 */
import { parseArgs } from 'node:util'
import { adminHandler } from '../src/admin-http/admin-handler.ts'
import { eachEvent } from '../src/backend/each-event.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { postgres } from '../src/store/postgres/postgres.ts'
import { openPlace } from '../test/store/postgres-place.ts'
import { servers } from '../test/support/servers.ts'
import { fillLarge } from './fill-large.ts'

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '5000000' }, calls: { type: 'string', default: '20' } },
})
const [rows, calls] = [Number(values.rows), Number(values.calls)]
const MOST = 50
const TOKEN = 'a-token-of-the-benchmark'
const url = servers.postgres()?.url
if (url === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')

/** Calls, and whether one is a search that no index answers: it stops at its budget of time and rows. */
const CALLS: readonly (readonly [path: string, isSearch?: true])[] = [
  ['status'],
  ['backends'],
  ['flow?range=1h'],
  ['outages'],
  ['events'],
  ['events?q=status:failed'],
  ['events?q=status:published', true],
  ['events?q=key:k5', true],
  ['events?q=type:order.created'],
  ['events?q=backend:default'],
  ['events?q=error:timeout', true],
  ['events?q=data.order:%3E100', true],
  ['events?q=type:never.seen', true],
  ['events/count?q=status:failed'],
  ['events/count?q=status:published', true],
  // Of the newest 10,000 that failed.
  ['failures', true],
  ['keys'],
  ['inbox'],
  ['operations'],
  ['audit'],
  ['storage'],
  ['consumers'],
  ['findings'],
  ['suggest?q=type:'],
]

const { pool, schema, close } = openPlace(url, 4)
try {
  const store = postgres({ pool, schema, listen: false })
  await store.schema.migrate()
  const pending = rows / 5
  const seconds = await fillLarge(pool, `${schema}.outbox_events`, {
    rows,
    pending,
    stuck: pending / 10,
    failed: rows / 50,
  })
  await pool.query(`VACUUM ANALYZE ${schema}.outbox_events`)
  console.log(`${rows} rows in ${seconds.toFixed(0)} s\n\n      p50 ms    p95 ms`)
  const broadcaster = new Broadcaster({ store, backends: { default: eachEvent(() => undefined) }, logger: false })
  const admin = adminHandler(broadcaster, { token: [{ token: TOKEN, user: 'bench', role: 'admin' }] })
  const ask = async (path: string): Promise<number> => {
    const start = performance.now()
    const headers = { authorization: `Bearer ${TOKEN}` }
    const response = await admin(new Request(`http://a.example/ops/api/${path}`, { headers }))
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${path} is answered ${response.status}: ${text}`)
    return performance.now() - start
  }
  const at = (times: readonly number[], share: number): number => times[Math.floor((times.length - 1) * share)] ?? 0
  let slow = 0
  for (const [path, isSearch] of CALLS) {
    await ask(path)
    const times: number[] = []
    for (let n = 0; n < calls; n++) times.push(await ask(path))
    times.sort((one, other) => one - other)
    const isSlow = at(times, 0.95) > MOST && isSearch !== true
    if (isSlow) slow++
    const mark = isSlow ? '  MISSED' : isSearch ? '  (a search, bounded by its budget)' : ''
    console.log(`${at(times, 0.5).toFixed(1).padStart(12)}${at(times, 0.95).toFixed(1).padStart(10)}  ${path}${mark}`)
  }
  console.log(slow === 0 ? `\nnone takes more than ${MOST} ms` : `\n${slow} take more than ${MOST} ms`)
  if (slow > 0) process.exitCode = 1
  await broadcaster.close()
} finally {
  await close()
}
