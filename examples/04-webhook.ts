/**
 * A webhook: each event is posted to a partner; 2xx is the acknowledgement, 503 an outage that costs no retry. The
 * partner, here in the same process, reads it with `decodeHttp`.
 *
 *     node 04-webhook.ts
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { decodeHttp, toCloudEvent } from 'ts-broadcaster/cloudevents'
import { sqlite } from 'ts-broadcaster/sqlite'
import { webhook } from 'ts-broadcaster/webhook'

let closedForLunch = true
const partner = createServer((request, response) => {
  void buffer(request).then((body) => {
    if (request.method !== 'POST' || closedForLunch) return response.writeHead(503).end()
    // One event, or several when it was posted as a batch.
    for (const event of [decodeHttp(request.headers, body)].flat()) {
      const { type, data } = toCloudEvent(event)
      console.log(`partner got ${type} ${JSON.stringify(data)}, signed by ${request.headers.authorization}`)
    }
    return response.writeHead(204).end()
  })
})
await new Promise<void>((resolve) => partner.listen(0, '127.0.0.1', resolve))
const { port } = partner.address() as AddressInfo

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'webhook.db' }),
  backends: {
    partner: webhook({ url: `http://127.0.0.1:${port}/events`, headers: { authorization: 'Bearer secret' } }),
  },
})
await broadcaster.store.schema.migrate()
await broadcaster.events.create({ type: 'order.placed', source: '/shop', data: { id: 'a' } })

onSignal('backend.down', ({ backend }) => {
  console.log(`${backend} is down; its events wait`)
  closedForLunch = false
})
onSignal('backend.up', ({ backend }) => console.log(`${backend} is up again`))
const published = Promise.withResolvers<number>()
onSignal('event.published', ({ event }) => published.resolve(event.retryCount))

const worker = broadcaster.worker()
await worker.start()
console.log(`published, with ${await published.promise} retries spent`)
await broadcaster.close()
partner.close()
