/** A worker in a process of its own, to be killed. Posts to the test, at a rate that all such workers share. */

import { Broadcaster } from '../../src/broadcaster.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { openStore, type StorePlace } from '../support/store-places.ts'

export interface RateTask {
  readonly place: StorePlace
  readonly url: string
  readonly rate: { readonly events: number; readonly per: number; readonly burst: number }
}

const { place, url, rate } = JSON.parse(process.argv[2] ?? '{}') as RateTask
const { store, close } = openStore(place)
const broadcaster = new Broadcaster({ store, backends: { default: webhook({ url, rate }) } })
const worker = broadcaster.worker({ retention: false, lease: 1_000 })
await worker.start()
process.send?.('started')
process.once('message', async () => {
  await broadcaster.close()
  await close()
  process.disconnect?.()
})
