import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { webhook } from '../../src/webhook/webhook.ts'
import { inFlight, type Peer } from './peer.ts'

/** As many at a time as the backend has by itself. */
const WIDTH = 20

export const peer: Peer = {
  title: 'Webhook',
  process: 'node',
  loop: `node:http, keep-alive, ${WIDTH} requests at a time, one event each`,
  async open() {
    const child = fork(new URL('./webhook-endpoint.ts', import.meta.url))
    const [port] = (await once(child, 'message')) as [number]
    const url = `http://127.0.0.1:${port}/events`
    const agent = new Agent({ keepAlive: true, maxSockets: WIDTH })
    const headers = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
    const post = (body: Buffer): Promise<void> =>
      new Promise((resolve, reject) => {
        const options = { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } }
        const sent = request(url, options, (response) => {
          response.resume()
          response.once('end', resolve)
        })
        sent.once('error', reject)
        sent.end(body)
      })
    return {
      backend: webhook({ url, allowPrivateNetworks: true }),
      send: (payloads) => inFlight(payloads, WIDTH, ({ body }) => post(body)),
      async close() {
        agent.destroy()
        child.kill()
      },
    }
  },
}
