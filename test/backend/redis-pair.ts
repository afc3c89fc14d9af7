import { Redis } from 'ioredis'
import { RedisProcess } from './redis-process.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

/** A master, its replica, and an address that leads to whoever is the master: what a failover by hand needs. */
export class RedisPair {
  /** Where clients connect. */
  readonly address: StoppableProxy
  readonly #servers: readonly [RedisProcess, RedisProcess]
  #master = 0

  private constructor(servers: readonly [RedisProcess, RedisProcess], address: StoppableProxy) {
    this.#servers = servers
    this.address = address
  }

  static async start(...args: readonly string[]): Promise<RedisPair> {
    const promptly = ['--repl-diskless-sync-delay', '0', ...args]
    const first = await RedisProcess.start(...promptly)
    const second = await RedisProcess.start(...promptly, '--replicaof', '127.0.0.1', String(first.port))
    const pair = new RedisPair([first, second], await StoppableProxy.to(first.port))
    await pair.#replicated(second)
    return pair
  }

  get url(): string {
    return `redis://127.0.0.1:${this.address.port}`
  }

  get master(): RedisProcess {
    return this.#servers[this.#master === 0 ? 0 : 1]
  }

  get replica(): RedisProcess {
    return this.#servers[this.#master === 0 ? 1 : 0]
  }

  /**
   * Promotes the replica by hand, without a kill: the old master becomes its replica, and connections to it stay open. What
   * the master was told and had not passed on is waited for, so that nothing is lost.
   */
  async promote(): Promise<void> {
    const { master, replica } = this
    const before = new Redis(master.port)
    const after = new Redis(replica.port)
    try {
      await before.call('CLIENT', 'PAUSE', '10000', 'WRITE')
      await caughtUp(before)
      await after.call('REPLICAOF', 'NO', 'ONE')
      this.#master = 1 - this.#master
      this.address.leadTo(replica.port)
      await before.call('REPLICAOF', '127.0.0.1', String(replica.port))
      await before.call('CLIENT', 'UNPAUSE')
    } finally {
      before.disconnect()
      after.disconnect()
    }
  }

  async remove(): Promise<void> {
    await this.address.stop()
    await Promise.all(this.#servers.map((server) => server.remove()))
  }

  async #replicated(server: RedisProcess): Promise<void> {
    const client = new Redis(server.port)
    while (!String(await client.call('INFO', 'replication')).includes('master_link_status:up')) await turn()
    client.disconnect()
  }
}

/** Until the replica has all that the master was told. */
async function caughtUp(master: Redis): Promise<void> {
  for (;;) {
    const info = String(await master.call('INFO', 'replication'))
    const offset = /master_repl_offset:(\d+)/.exec(info)?.[1]
    if (offset !== undefined && info.includes(`state=online,offset=${offset},`)) return
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10))
}
