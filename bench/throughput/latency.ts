import { createClient } from 'redis'
import type { Backend } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import type { WorkerOptions } from '../../src/relay/worker-options.ts'
import type { Store } from '../../src/store/store.ts'

/** Of who publishes and sends nothing. */
const AWAY: Backend = {
  async send(events) {
    return events.map(() => ({ ok: true }))
  },
  async healthCheck() {
    return { healthy: true }
  },
  async close() {},
}

/** Milliseconds from the start of the publishing transaction to the entry in the hands of a reader of the stream. */
export interface Latency {
  readonly rate: number
  readonly events: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** How long the last events may take, in ms. */
const GRACE = 20_000

/**
 * Publishes `rate` events a second on `publishing`, one transaction each, for `seconds`, while a worker on `store` delivers and a
 * reader reads. With two stores the worker hears of commits as one in another process does.
 */
export async function measureLatency(
  store: Store,
  publishing: Store,
  redisUrl: string,
  stream: string,
  rate: number,
  seconds: number,
  worker: WorkerOptions = {},
): Promise<Latency> {
  const broadcaster = new Broadcaster({
    store,
    backends: { default: redisStreams({ url: redisUrl, stream, trim: { maxLength: 1_000_000 } }) },
    worker: { retention: false, ...worker },
  })
  const publisher =
    publishing === store ? broadcaster : new Broadcaster({ store: publishing, backends: { default: AWAY } })
  await broadcaster.worker().start()
  try {
    return await timeArrivals(redisUrl, stream, rate, seconds, async (n, at) => {
      const event = { type: 'order.created', source: '/bench', data: { at }, partitionKey: `key-${n % 100}` }
      await publisher.transaction((tx) => publisher.publish(tx, event))
    })
  } finally {
    await broadcaster.close()
    if (publisher !== broadcaster) await publisher.close()
  }
}

/**
 * Calls `produce` `rate` times a second, one more second than asked for: the first is not counted, while code and caches
 * are cold. Each call leads to an entry of the stream whose `cloud_event` has `at`, the time of the call, in its `data`.
 */
export async function timeArrivals(
  redisUrl: string,
  stream: string,
  rate: number,
  seconds: number,
  produce: (n: number, at: number) => Promise<void>,
): Promise<Latency> {
  const reader = createClient({ url: redisUrl })
  await reader.connect()
  await reader.del(stream)
  const total = rate * (seconds + 1)
  const seen: number[] = []
  const deadline = performance.now() + seconds * 1_000 + GRACE
  const reading = (async () => {
    for (let after = '0'; seen.length < total; ) {
      const answer = await reader.xRead({ key: stream, id: after }, { COUNT: 1_000, BLOCK: 1_000 })
      const now = performance.now()
      if (now > deadline) throw new Error(`${seen.length} of ${total} events arrived in ${seconds + GRACE / 1_000} s`)
      for (const { id, message } of answer?.[0]?.messages ?? []) {
        after = id
        const cloudEvent = JSON.parse(message['cloud_event'] ?? '{}') as { data: { at: number } }
        seen.push(now - cloudEvent.data.at)
      }
    }
  })()
  const start = performance.now()
  const producing: Promise<unknown>[] = []
  for (let n = 0; n < total; n++) {
    const wait = start + (n * 1_000) / rate - performance.now()
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
    producing.push(produce(n, performance.now()))
  }
  await Promise.all(producing)
  await reading
  await reader.del(stream)
  reader.destroy()
  const sorted = seen.slice(rate).toSorted((one, other) => one - other)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { rate, events: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
