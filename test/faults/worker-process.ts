/** A worker in a process of its own, to be killed. Delivers an outbox to a Redis stream. */

import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { openStore, type StorePlace } from '../support/store-places.ts'

export interface WorkerTask {
  readonly name: string
  readonly place: StorePlace
  readonly redisUrl: string
  readonly stream: string
  readonly batchSize: number
  readonly concurrency: number
  readonly maxInHand: number
  /** In ms. */
  readonly lease?: number
}

const { name, place, redisUrl, stream, ...sizes } = JSON.parse(process.argv[2] ?? '{}') as WorkerTask
const { store, close } = openStore(place)
const broadcaster = new Broadcaster({
  store,
  backends: { default: redisStreams({ url: redisUrl, stream, trim: false }) },
})
const worker = broadcaster.worker({ name, retention: false, ...sizes })
await worker.start()
process.send?.('started')
process.once('message', async () => {
  await broadcaster.close()
  await close()
  process.disconnect?.()
})
