/**
 * A webhook, both ends: each event is posted to a partner, signed; 2xx is the acknowledgement, 503 an outage that costs
 * no retry. The partner, here in the same process, verifies the signature and handles each event once, in a transaction
 * of a database of its own.
 *
 *     node 04-webhook.ts
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { sqlite } from 'ts-broadcaster/sqlite'
import { toNodeListener, webhook, webhookReceiver } from 'ts-broadcaster/webhook'

// What both ends know. `whsk_` and `whpk_` would be a key of the sender's own, and a public one for the partner.
const key = `whsec_${randomBytes(32).toString('base64')}`

// The partner
const partnerStore = sqlite({ path: 'partner.db' })
await partnerStore.schema.migrate()
let closedForLunch = true
const receive = webhookReceiver({
  name: 'warehouse',
  keys: key,
  store: partnerStore,
  allowedOrigins: ['shop.example'],
  handlers: { 'order.*': ({ type, data }) => console.log(`partner got ${type} ${JSON.stringify(data)}`) },
})
const closed = async (): Promise<Response> => new Response('at lunch', { status: 503 })
const partner = createServer(toNodeListener((request) => (closedForLunch ? closed() : receive(request))))
await new Promise<void>((resolve) => partner.listen(0, '127.0.0.1', resolve))
const { port } = partner.address() as AddressInfo
const url = `http://127.0.0.1:${port}/events`

// The shop
const broadcaster = new Broadcaster({
  store: sqlite({ path: 'shop.db' }),
  backends: { partner: webhook({ url, keys: key, handshake: { origin: 'shop.example' } }) },
})
await broadcaster.store.schema.migrate()
await broadcaster.events.create({ type: 'order.placed', source: '/shop', data: { id: 'a' } })

onSignal('backend.down', ({ backend }) => {
  console.log(`${backend} is down; its events wait`)
  closedForLunch = false
})
onSignal('backend.up', ({ backend }) => console.log(`${backend} is up again`))
const published = Promise.withResolvers<number>()
onSignal('event.published', ({ record }) => published.resolve(record.retryCount))

const worker = broadcaster.worker()
await worker.start()
console.log(`published, with ${await published.promise} retries spent`)
await broadcaster.close()

// Somebody without the key
const forged = JSON.stringify({ specversion: '1.0', id: '1', source: '/shop', type: 'order.placed' })
const headers = { 'content-type': 'application/cloudevents+json' }
const { status } = await fetch(url, { method: 'POST', body: forged, headers })
console.log(`forged: ${status}`)
partner.close()
await partnerStore.close()
