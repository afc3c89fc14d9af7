import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Passes connections on to a server that must not be stopped itself, and is stopped, silenced or cut in its place. */
export class StoppableProxy {
  #target: number
  readonly #pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()
  #listener: Server | undefined
  #port = 0
  #silent: 'both' | 'answers' | false = false
  #left = Number.POSITIVE_INFINITY
  readonly #frozen = new WeakSet<Socket>()

  constructor(target: number) {
    this.#target = target
  }

  static async to(target: number): Promise<StoppableProxy> {
    const proxy = new StoppableProxy(target)
    await proxy.start()
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Listens, at the same port as before. */
  async start(): Promise<void> {
    this.#listener = createServer((client) => this.#serve(client)).listen(this.#port, '127.0.0.1')
    await once(this.#listener, 'listening')
    const address = this.#listener.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
  }

  /** Cuts all connections and refuses new ones. */
  async stop(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    this.cut()
    if (!listener) return
    listener.close()
    await once(listener, 'close')
  }

  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
  }

  /** From now on nothing passes either way, or no answers do, and nobody is told; false = all passes again. */
  silence(what: 'both' | 'answers' | false): void {
    this.#silent = what
  }

  /** New connections lead to another server from now on; those that are open stay, as behind a name that moves. */
  leadTo(target: number): void {
    this.#target = target
  }

  /** On the connections that are open now nothing passes either way any more; new ones are well. */
  freeze(): void {
    for (const pair of this.#pairs) this.#frozen.add(pair.client)
  }

  /** Cuts the connection in place of passing on the server's n-th piece of answer from now. */
  cutInsteadOfAnswer(n: number): void {
    this.#left = n
  }

  /** Says something to the clients that the server did not. */
  say(bytes: Uint8Array): void {
    for (const { client } of this.#pairs) client.write(bytes)
  }

  #serve(client: Socket): void {
    const pair = { client, server: connect(this.#target, '127.0.0.1') }
    this.#pairs.add(pair)
    const cut = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      pair.server.destroy()
    }
    for (const socket of [client, pair.server]) socket.on('error', cut).on('close', cut)
    client.on('data', (chunk) => void (this.#silent === 'both' || this.#frozen.has(client) || pair.server.write(chunk)))
    pair.server.on('data', (chunk) => {
      if (this.#silent || this.#frozen.has(client)) return
      if (--this.#left > 0) return void client.write(chunk)
      this.#left = Number.POSITIVE_INFINITY
      cut()
    })
  }
}
