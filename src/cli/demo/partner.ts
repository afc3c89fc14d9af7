import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CloudEvent } from '../../event/cloud-event.ts'

/** A partner's webhook on this machine that can go down and come back on the same port. */
export class Partner {
  /** What it acknowledged, in order. */
  readonly received: CloudEvent[] = []
  #server: Server | undefined
  #port = 0

  get url(): string {
    return `http://127.0.0.1:${this.#port}/events`
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        this.received.push(JSON.parse(Buffer.concat(parts).toString('utf8')) as CloudEvent)
        response.writeHead(204).end()
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
}
