/**
 * The RSS of a worker that drains many small events, in a process of its own, with its defaults: PostgreSQL to Redis Streams.
 *
 *     npm run bench -- memory [--events 1000000] [--batch-size 100]
 *
 * The rows are made by SQL and not by `publishMany`, which would take longer than the drain.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createClient } from 'redis'
import { PLACED_STORES } from '../test/support/store-places.ts'
import type { RelayReport, RelayTask } from './throughput/task.ts'

const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, 'batch-size': { type: 'string', default: '100' } },
})
const events = Number(values.events)
const kind = PLACED_STORES.find(({ name }) => name === 'postgres')
const placed = await kind?.open()
if (placed === undefined) throw new Error('no PostgreSQL: start one with scripts/services, or set POSTGRES_URL')
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const stream = `bench_memory_${process.pid}`
const redis = createClient({ url: redisUrl })
await redis.connect()

/** Bytes that a process has now; undefined where there is no /proc. */
function residentSize(pid: number | undefined): number | undefined {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
  } catch {
    return undefined
  }
}

const mb = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`
try {
  await placed.store.schema.migrate()
  await placed.look(`
INSERT INTO outbox_events (id, event_type, source, subject, data_content_type, data_schema, data, publisher_backend, publisher_config,
  partition_key, lane)
SELECT gen_random_uuid(), 'order.created', '/bench/orders', '', 'application/json', '',
  json_build_object('order', n, 'padding', repeat('x', 200)), 'default', '{}', 'key-' || n % 2000, n % 2000 % 64
FROM generate_series(1, ${events}) AS n`)
  await placed.look('VACUUM ANALYZE outbox_events')
  const batchSize = Number(values['batch-size'])
  const task: RelayTask = {
    algorithm: 'ours',
    place: placed.place,
    redisUrl,
    stream,
    events,
    batchSize,
    maxLength: 1_000,
  }
  const child = fork(new URL('./throughput/relay-process.ts', import.meta.url), [JSON.stringify(task)])
  await once(child, 'message')
  const gone = new Promise<never>((_, reject) => {
    child.once('exit', (code) => reject(new Error(`the worker's process ended with ${code}`)))
  })
  const reporting = once(child, 'message')
  child.send('go')
  const watching = setInterval(() => {
    const size = residentSize(child.pid)
    if (size !== undefined)
      console.log(`${(performance.now() / 1_000).toFixed(0).padStart(6)} s ${mb(size).padStart(9)}`)
  }, 5_000).unref()
  const [{ seconds, cpuSeconds, peakMemory }] = (await Promise.race([reporting, gone])) as [RelayReport]
  clearInterval(watching)
  child.removeAllListeners('exit')
  const { 'entries-added': added } = (await redis.xInfoStream(stream)) as { 'entries-added': number }
  console.log(
    `\n${events} events, batches of ${batchSize}: greatest RSS ${mb(peakMemory)}, ${Math.round(events / seconds)} events/s, ` +
      `${((cpuSeconds / events) * 1e6).toFixed(1)} us of the worker's CPU each, ${added - events} sent twice`,
  )
} finally {
  await redis.del(stream)
  redis.destroy()
  await placed.close()
}
