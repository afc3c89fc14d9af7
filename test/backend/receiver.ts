import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'

/** A request as it arrived. */
export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

type Reply = (request: ReceivedRequest, response: ServerResponse) => void | Promise<void>

/** An HTTP server on loopback that keeps what it receives; it can go away and come back on its port. */
export class Receiver {
  readonly requests: ReceivedRequest[] = []
  /** Answers a request that was received whole. Default: 204. */
  reply: Reply = (_request, response) => {
    response.writeHead(204).end()
  }
  readonly #tls: ServerOptions | undefined
  #server: Server | undefined
  #port = 0
  /** The most requests that were open at the same time. */
  mostOpen = 0
  #open = 0
  /** How many connections were opened. */
  connections = 0

  constructor(tls?: ServerOptions) {
    this.#tls = tls
  }

  /** `tls`: speaks https, with this key and certificate. */
  static async start(tls?: ServerOptions): Promise<Receiver> {
    const receiver = new Receiver(tls)
    await receiver.start()
    return receiver
  }

  get url(): string {
    return `${this.#tls ? 'https' : 'http'}://127.0.0.1:${this.#port}/events`
  }

  async start(): Promise<void> {
    const listener = (request: IncomingMessage, response: ServerResponse): void => void this.#receive(request, response)
    const server = this.#tls ? createTlsServer(this.#tls, listener) : createServer(listener)
    server.on('connection', () => this.connections++)
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    this.#server = server
  }

  /** Goes away, cutting every connection. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostOpen = Math.max(this.mostOpen, ++this.#open)
    response.on('close', () => this.#open--)
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const { method = '', url = '', headers } = request
    const received = { method, path: url, headers, body: Buffer.concat(chunks) }
    if (method === 'POST') this.requests.push(received)
    await this.reply(received, response)
  }
}
