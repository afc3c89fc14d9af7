import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** The address of a database whose server may change: new connections go to the present one, old ones stay. */
export class SwitchingProxy {
  /** Where new connections go. */
  target: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(target: number) {
    this.target = target
    this.#server = createServer((client) => this.#serve(client))
  }

  static async to(target: number): Promise<SwitchingProxy> {
    const proxy = new SwitchingProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(client: Socket): void {
    const server = connect(this.target, '127.0.0.1')
    const both = [client, server]
    for (const socket of both) {
      this.#sockets.add(socket)
      const end = (): void => {
        this.#sockets.delete(socket)
        for (const each of both) each.destroy()
      }
      socket.on('error', end).on('close', end)
    }
    client.pipe(server)
    server.pipe(client)
  }
}
