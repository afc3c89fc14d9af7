/** A worker of the operator drill in a process of its own, to be killed: sends fail, and answers of the store get lost. */
import { notDelivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { openStore, type StorePlace } from '../support/store-places.ts'

export interface OperatorWorkerTask {
  readonly name: string
  readonly place: StorePlace
  readonly redisUrl: string
  readonly stream: string
  readonly lease: number
  /** Of a hundred sends of one event. */
  readonly refusals: number
}

const { name, place, redisUrl, stream, lease, refusals } = JSON.parse(process.argv[2] ?? '{}') as OperatorWorkerTask
const oneIn = (hundred: number): boolean => Math.random() * 100 < hundred

const { store, close } = openStore(place)
const { settle } = store.relay
store.relay.settle = async (...given) => {
  const report = await settle(...given)
  if (oneIn(2)) throw new BroadcasterError('STORE_UNAVAILABLE', 'the answer was lost')
  return report
}

const redis = redisStreams({ url: redisUrl, stream, trim: false })
const broadcaster = new Broadcaster({
  store,
  logger: false,
  backends: {
    default: {
      ...redis,
      capabilities: { ordersWithinSend: true },
      async send(events, signal, context) {
        // From here on nobody waits for this send, and no bytes of it can be called back.
        signal.addEventListener('abort', () => process.send?.({ givenUp: events.map(({ id }) => id) }), { once: true })
        const results = await redis.send(events, signal, context)
        // Delivered, but the answer says otherwise: such an event is sent again, or fails.
        return results.map((result, n) => {
          const first = events.findIndex((event) => event.partitionKey === events[n]?.partitionKey)
          return first === n && oneIn(refusals) ? notDelivered(new Error('the answer was lost')) : result
        })
      },
    },
  },
})
const worker = broadcaster.worker({
  name,
  lease,
  sendTimeout: lease / 2,
  batchSize: 20,
  concurrency: 2,
  maxInHand: 100,
  retry: { base: 100, cap: 1_000 },
  retention: { published: 2_000, failed: null, interval: 300 },
})
await worker.start()
process.send?.({ started: true })
process.once('message', async () => {
  await broadcaster.close()
  await close()
  process.disconnect?.()
})
