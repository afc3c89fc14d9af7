/**
 * What retention costs a relay: 2,000,000 old events are deleted while a worker drains a backlog, PostgreSQL to Redis Streams. With the
 * retention and without it in turn; what counts is the ratio of the rates within a pair, and the
 * longest thing that the retention asked of the database.
 *
 *     npm run bench -- retention [--old 2000000] [--events 60000] [--pairs 7]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { PLACED_STORES } from '../test/support/store-places.ts'
import { median } from './median.ts'
import { NOTHING_YET, type SoakReport, type SoakTask } from './soak/soak-task.ts'

const { values } = parseArgs({
  options: {
    old: { type: 'string', default: '2000000' },
    events: { type: 'string', default: '60000' },
    pairs: { type: 'string', default: '7' },
  },
})
const [old, events] = [Number(values.old), Number(values.events)]
const kind = PLACED_STORES.find(({ name }) => name === 'postgres')
const placed = await kind?.open()
if (placed === undefined || placed.place.kind !== 'postgres')
  throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const { place, look } = placed
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const stream = `bench_retention_${process.pid}`
const redis = createClient({ url: redisUrl })
await redis.connect()

/** Rows by SQL: to publish so many would take longer than all the rest. */
const plant = (count: number, isOld: boolean): Promise<unknown> =>
  look(`
INSERT INTO outbox_events (id, event_type, source, subject, data_content_type, data_schema, data, publisher_backend, publisher_config,
  partition_key, lane, status, available_at, published_at, created_at, updated_at)
SELECT gen_random_uuid(), 'order.created', '/bench/orders', '', 'application/json', '',
  json_build_object('order', n, 'padding', repeat('x', 200)), 'default', '{}', 'key-' || n % 2000, n % 2000 % 64,
  ${isOld ? "'published', NULL, now() - interval '9 days', now() - interval '9 days', now() - interval '9 days'" : "'pending', NULL, NULL, now(), now()"}
FROM generate_series(1, ${count}) AS n`)

interface Arm {
  readonly eventsPerSecond: number
  readonly purgedPerSecond: number
  readonly longestPurge: number
}

/** Drains `events`; with the retention, it is at work from the first event to the last. */
async function drain(isCleaning: boolean): Promise<Arm> {
  await plant(events, false)
  const task: SoakTask = {
    ...{ url: place.kind === 'postgres' ? place.url : '', schema: place.kind === 'postgres' ? place.schema : '' },
    ...{ redisUrl, stream, maxLength: 10_000, retention: isCleaning && { interval: 1 } },
  }
  const child = fork(new URL('./soak/worker-process.ts', import.meta.url), [JSON.stringify(task)])
  let told = NOTHING_YET
  child.on('message', (report) => void (told = report as SoakReport))
  let begin: { readonly at: number; readonly report: SoakReport } | undefined
  while (told.published < events) {
    await once(child, 'message')
    // The first tenth warms the process up.
    if (begin === undefined && told.published >= events / 10) begin = { at: performance.now(), report: told }
  }
  const seconds = (performance.now() - (begin?.at ?? 0)) / 1_000
  const before = begin?.report ?? NOTHING_YET
  child.send('stop')
  if (child.exitCode === null) await once(child, 'exit')
  return {
    eventsPerSecond: (told.published - before.published) / seconds,
    purgedPerSecond: (told.purged - before.purged) / seconds,
    longestPurge: told.longestPurge,
  }
}

try {
  await placed.store.schema.migrate()
  await plant(old, true)
  await look('VACUUM ANALYZE outbox_events')
  console.log('  without, events/s   with, events/s   ratio   deleted/s   longest, ms')
  const pairs: { readonly ratio: number; readonly longest: number }[] = []
  for (let isFirst = true; ; isFirst = !isFirst) {
    const arms = isFirst ? [await drain(true), await drain(false)] : [await drain(false), await drain(true)]
    const [cleaning, bare] = (isFirst ? arms : arms.toReversed()) as [Arm, Arm]
    if (cleaning.purgedPerSecond === 0) break
    const ratio = cleaning.eventsPerSecond / bare.eventsPerSecond
    pairs.push({ ratio, longest: cleaning.longestPurge })
    const cells = [
      bare.eventsPerSecond,
      cleaning.eventsPerSecond,
      ratio,
      cleaning.purgedPerSecond,
      cleaning.longestPurge,
    ]
    console.log(cells.map((cell, n) => cell.toFixed(n === 2 ? 2 : 0).padStart([19, 17, 8, 12, 14][n] ?? 0)).join(''))
    if (pairs.length >= Number(values.pairs)) break
  }
  console.log(
    `\n${pairs.length} pairs: ratio ${median(pairs.map(({ ratio }) => ratio)).toFixed(2)}, longest ${Math.max(...pairs.map(({ longest }) => longest)).toFixed(0)} ms`,
  )
} finally {
  await redis.del(stream)
  redis.destroy()
  await placed.close()
}
