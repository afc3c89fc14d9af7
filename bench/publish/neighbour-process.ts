/** An outbox of its own with a worker and a steady stream of events. Says how many it delivered a second when told to stop. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Backend, delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { openPlace } from '../../test/store/postgres-place.ts'

const [url = '', rate = '2000'] = process.argv.slice(2)
/** Milliseconds between two batches. */
const BEAT = 50
const size = Math.round((Number(rate) * BEAT) / 1_000)
const place = openPlace(url, 8)
const store = postgres({ pool: place.pool, schema: place.schema, listen: { url } })
let sent = 0
const nowhere: Backend = {
  async send(events) {
    sent += events.length
    return events.map(() => delivered)
  },
  healthCheck: async () => ({ healthy: true }),
  close: async () => {},
}
const broadcaster = new Broadcaster({ store, backends: { default: nowhere }, worker: { retention: false } })
await store.schema.migrate()
const worker = broadcaster.worker()
await worker.start()
let stopping = false
process.once('message', () => (stopping = true))
process.send?.('ready')
const start = performance.now()
for (let beat = 1; !stopping; beat++) {
  const batch = Array.from({ length: size }, (_, n) => ({
    type: 'order.created',
    source: '/bench/orders',
    data: { order: n, padding: 'x'.repeat(200) },
    partitionKey: `key-${(beat * size + n) % 2_000}`,
  }))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, batch))
  await delay(Math.max(0, start + beat * BEAT - performance.now()))
}
process.send?.(Math.round(sent / ((performance.now() - start) / 1_000)))
await worker.stop()
await broadcaster.close()
await place.close()
process.disconnect?.()
