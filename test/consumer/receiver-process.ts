/** A webhook receiver in a process of its own, which says its port, and at the end how much memory it held at most. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeListener, webhookReceiver } from '../../src/webhook/webhook-receiver.ts'

const [secret = ''] = process.argv.slice(2)
const receive = webhookReceiver({ name: 'attacked', keys: secret, inbox: false, handlers: { '*': () => undefined } })
const server = createServer(toNodeListener(receive)).listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port })
})
process.once('message', () => {
  process.send?.({ kilobytes: process.resourceUsage().maxRSS }, () => process.exit(0))
})
