/** A worker in a process of its own that freezes when it is told so, in the middle of a send. Delivers an outbox to Kafka. */

import { Broadcaster } from '../../src/broadcaster.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { openStore, type StorePlace } from '../support/store-places.ts'

export interface FrozenWorkerTask {
  readonly name: string
  readonly place: StorePlace
  readonly server: string
  readonly topic: string
  readonly fenced: boolean
  /** Milliseconds. */
  readonly lease: number
}

const { name, place, server, topic, fenced, lease } = JSON.parse(process.argv[2] ?? '{}') as FrozenWorkerTask
const { store, close } = openStore(place)
let freezes = false
const broadcaster = new Broadcaster({
  store,
  backends: {
    default: kafka({
      bootstrapServers: server,
      fenced: fenced ? 'drill' : false,
      // Asked for in the middle of a send: after the last look at the lease, and before anything is written.
      topic() {
        if (freezes) {
          freezes = false
          process.kill(process.pid, 'SIGSTOP')
        }
        return topic
      },
    }),
  },
})
const worker = broadcaster.worker({ name, lease, retention: false, batchSize: 20, concurrency: 2, maxInHand: 80 })
await worker.start()
process.send?.('started')
process.on('message', async (told) => {
  if (told === 'freeze') {
    freezes = true
    return
  }
  await broadcaster.close()
  await close()
  process.disconnect?.()
})
