/**
 * What a worker needs for large events: its memory, its rate, and how many it sent twice, from a store to Redis Streams. Each run in a
 * process of its own, begun when all events are there.
 *
 *     npm run bench -- large-events [--store postgres|mariadb|mysql|sqlite] [--sizes 5000x100000,300x1000000] [--batch-sizes 100,500] [--rounds 1]
 *
 * The data does not compress. The stream keeps the last 50 events or so: what was added is counted by Redis.
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { eachEvent } from '../src/backend/each-event.ts'
import { Broadcaster } from '../src/broadcaster.ts'
import { PLACED_STORES, type PlacedStore } from '../test/support/store-places.ts'
import type { RelayReport, RelayTask } from './throughput/task.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'postgres' },
    sizes: { type: 'string', default: '5000x100000,300x1000000' },
    'batch-sizes': { type: 'string', default: '100,500' },
    rounds: { type: 'string', default: '1' },
  },
})
const kind = PLACED_STORES.find(({ name }) => name === values.store)
if (kind === undefined)
  throw new Error(`there is no store '${values.store}'; known are postgres, mariadb, mysql, sqlite`)
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const stream = `bench_large_${process.pid}`
const redis = createClient({ url: redisUrl })

async function run(open: () => Promise<PlacedStore>, events: number, size: number, batchSize: number): Promise<void> {
  const placed = await open()
  try {
    const broadcaster = new Broadcaster({ store: placed.store, backends: { default: eachEvent(() => undefined) } })
    await broadcaster.store.schema.migrate()
    const atOnce = Math.max(1, Math.floor(4e6 / size))
    for (let done = 0; done < events; done += atOnce) {
      const some = Array.from({ length: Math.min(atOnce, events - done) }, (_, n) => ({
        type: 'report.made',
        source: '/bench/reports',
        data: { padding: randomBytes((size / 4) * 3).toString('base64') },
        partitionKey: `key-${(done + n) % 2_000}`,
      }))
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, some))
    }
    await redis.del(stream)
    const task: RelayTask = {
      algorithm: 'ours',
      place: placed.place,
      redisUrl,
      stream,
      events,
      batchSize,
      maxLength: 50,
    }
    const child = fork(new URL('./throughput/relay-process.ts', import.meta.url), [JSON.stringify(task)])
    await once(child, 'message')
    const reporting = once(child, 'message')
    child.send('go')
    const [{ seconds, cpuSeconds, peakMemory }] = (await reporting) as [RelayReport]
    const { 'entries-added': added } = (await redis.xInfoStream(stream)) as { 'entries-added': number }
    console.log(
      [
        events.toLocaleString('en').padStart(8),
        size.toLocaleString('en').padStart(12),
        String(batchSize).padStart(8),
        (events / seconds).toFixed(0).padStart(11),
        ((cpuSeconds / events) * 1e6).toFixed(0).padStart(10),
        `${Math.round(peakMemory / 2 ** 20)} MiB`.padStart(11),
        String(added - events).padStart(12),
      ].join(''),
    )
  } finally {
    await redis.del(stream)
    await placed.close()
  }
}

await redis.connect()
try {
  console.log(`${kind.name} -> Redis Streams; the worker's CPU in microseconds for each event, its greatest RSS\n`)
  console.log('  events       bytes   batch   events/s       CPU        RSS  duplicates')
  for (const sizes of values.sizes.split(',')) {
    const [events = 0, size = 0] = sizes.split('x').map(Number)
    for (const batchSize of values['batch-sizes'].split(',').map(Number))
      for (let round = 0; round < Number(values.rounds); round++) await run(kind.open, events, size, batchSize)
  }
} finally {
  redis.destroy()
}
