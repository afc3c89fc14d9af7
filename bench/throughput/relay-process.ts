/** One relay in a process of its own: `ours` or `seed`. Says `ready`, starts on `go`, reports when all is delivered. */
import { Pool } from 'pg'
import { createClient } from 'redis'
import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { openStore } from '../../test/support/store-places.ts'
import { processPendingEvents } from './seed-algorithm.ts'
import type { RelayReport, RelayTask } from './task.ts'

const task = JSON.parse(process.argv[2] ?? '{}') as RelayTask
const { store, close } = openStore(task.place)

async function ours(): Promise<() => Promise<number>> {
  const broadcaster = new Broadcaster({
    store,
    backends: {
      default: redisStreams({
        url: task.redisUrl,
        stream: task.stream,
        trim: { maxLength: task.maxLength ?? 1_000_000 },
      }),
    },
    worker: { retention: false, batchSize: task.batchSize },
  })
  await broadcaster.store.schema.check()
  const worker = broadcaster.worker()
  return async () => {
    let delivered = 0
    const all = new Promise<void>((resolve) => {
      // A listener of `event.published` would have every row read once more.
      onSignal('batch.settled', ({ published }) => {
        delivered += published
        if (delivered >= task.events) resolve()
      })
    })
    await worker.start()
    await all
    const end = performance.now()
    await worker.stop()
    await broadcaster.close()
    return end
  }
}

async function seed(): Promise<() => Promise<number>> {
  if (task.place.kind !== 'postgres') throw new Error('the other algorithm is for PostgreSQL')
  const pool = new Pool({ connectionString: task.place.url, max: 4 })
  const table = `${task.place.schema}.outbox_events`
  const redis = createClient({ url: task.redisUrl })
  await redis.connect()
  return async () => {
    for (let left = task.events; left > 0; ) left -= await processPendingEvents(pool, redis, table, task.stream)
    const end = performance.now()
    redis.destroy()
    await pool.end()
    return end
  }
}

const run = await (task.algorithm === 'ours' ? ours() : seed())
process.send?.('ready')
await new Promise((resolve) => process.once('message', resolve))
const start = performance.now()
const cpu = process.cpuUsage()
const end = await run()
const { user, system } = process.cpuUsage(cpu)
const report: RelayReport = {
  seconds: (end - start) / 1_000,
  cpuSeconds: (user + system) / 1e6,
  // Kilobytes, by getrusage(2).
  peakMemory: process.resourceUsage().maxRSS * 1_024,
}
process.send?.(report)
await close()
process.disconnect?.()
