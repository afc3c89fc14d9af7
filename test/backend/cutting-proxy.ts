import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Passes connections on to a server, and loses one on demand: what the server said last never arrives. */
export class CuttingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #left = Number.POSITIVE_INFINITY

  constructor(server: Server) {
    this.#server = server
  }

  static async to(port: number): Promise<CuttingProxy> {
    const server = createServer()
    const proxy = new CuttingProxy(server)
    server.on('connection', (client) => proxy.#serve(client, connect(port, '127.0.0.1')))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  /** Cuts the connection in place of passing on the server's n-th answer from now. */
  cutInsteadOfAnswer(n: number): void {
    this.#left = n
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(client: Socket, server: Socket): void {
    const both = [client, server]
    const cut = (): void => {
      for (const socket of both) socket.destroy()
    }
    for (const socket of both) {
      this.#sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        cut()
      })
    }
    client.on('data', (chunk) => void server.write(chunk))
    server.on('data', (chunk) => {
      if (--this.#left > 0) return void client.write(chunk)
      this.#left = Number.POSITIVE_INFINITY
      cut()
    })
  }
}
