import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort, RedisProcess } from './redis-process.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

export const MASTER_NAME = 'outbox'

/** A master and two replicas, of which the master is killed: by hand, or seen by three Sentinels. */
export class RedisTrio {
  /** Leads to the master, when failed over by hand. */
  readonly address: StoppableProxy
  /** Ports of the Sentinels. */
  readonly sentinels: readonly number[]
  readonly #servers: readonly RedisProcess[]
  readonly #watching: readonly Sentinel[]
  /** When the last master was killed, by this host's clock. */
  killedAt = Number.POSITIVE_INFINITY
  #master: RedisProcess

  private constructor(servers: readonly RedisProcess[], address: StoppableProxy, watching: readonly Sentinel[]) {
    const [master] = servers
    if (!master) throw new Error('no master')
    this.#servers = servers
    this.#master = master
    this.address = address
    this.#watching = watching
    this.sentinels = watching.map(({ port }) => port)
  }

  static async start(sentinels: number): Promise<RedisTrio> {
    const options = ['--repl-diskless-sync-delay', '0', '--appendonly', 'no']
    const master = await RedisProcess.start(...options)
    const replicaOf = ['--replicaof', '127.0.0.1', String(master.port)]
    const replicas = await Promise.all([1, 2].map(() => RedisProcess.start(...options, ...replicaOf)))
    await Promise.all(replicas.map(({ port }) => untilLinked(port)))
    const watching: Sentinel[] = []
    for (let n = 0; n < sentinels; n++) watching.push(await Sentinel.start(master.port))
    return new RedisTrio([master, ...replicas], await StoppableProxy.to(master.port), watching)
  }

  get master(): RedisProcess {
    return this.#master
  }

  /** Kills the master, and promotes who has most of it, a second later: a person is not faster. Returns the dead one. */
  async failOverByHand(): Promise<RedisProcess> {
    const dead = this.#master
    await dead.kill()
    this.killedAt = Date.now()
    await delay(1_000)
    const others = this.#servers.filter((each) => each !== dead)
    const ranked = await Promise.all(others.map(async (each) => ({ each, offset: await offsetOf(each.port) })))
    const [next, ...rest] = ranked.toSorted((one, other) => other.offset - one.offset).map(({ each }) => each)
    if (!next) throw new Error('no replica')
    await command(next.port, 'REPLICAOF', 'NO', 'ONE')
    for (const { port } of rest) await command(port, 'REPLICAOF', '127.0.0.1', String(next.port))
    this.address.leadTo(next.port)
    this.#master = next
    return dead
  }

  /** Kills the master, and waits until the Sentinels have made another one. Returns the dead one. */
  async failOverBySentinel(): Promise<RedisProcess> {
    const dead = this.#master
    const [sentinel = 0] = this.sentinels
    while (Number((await masterAt(sentinel, 'num-other-sentinels')) ?? 0) < this.sentinels.length - 1) await delay(50)
    while (Number((await masterAt(sentinel, 'num-slaves')) ?? 0) < 2) await delay(50)
    await dead.kill()
    this.killedAt = Date.now()
    for (;;) {
      const port = Number(await masterAt(sentinel, 'port'))
      const next = this.#servers.find((each) => each.port === port && each !== dead)
      if (next && String(await command(next.port, 'ROLE').catch(() => '')).startsWith('master')) {
        this.#master = next
        return dead
      }
      await delay(20)
    }
  }

  /** The dead one comes back as a replica. */
  async bringBack(dead: RedisProcess): Promise<void> {
    await dead.start()
    if (this.sentinels.length === 0) await command(dead.port, 'REPLICAOF', '127.0.0.1', String(this.#master.port))
    await untilLinked(dead.port)
  }

  async remove(): Promise<void> {
    await this.address.stop()
    await Promise.all(this.#watching.map((each) => each.remove()))
    await Promise.all(this.#servers.map((each) => each.remove()))
  }
}

class Sentinel {
  readonly port: number
  readonly #directory: string
  readonly #child: ChildProcess

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.port = port
    this.#directory = directory
    this.#child = child
  }

  static async start(master: number): Promise<Sentinel> {
    const port = await freePort()
    const directory = mkdtempSync(join(tmpdir(), 'broadcaster-sentinel-'))
    const config = join(directory, 'sentinel.conf')
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${directory}`,
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
      `sentinel failover-timeout ${MASTER_NAME} 10000`,
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const child = spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' })
    const sentinel = new Sentinel(port, directory, child)
    while ((await masterAt(port, 'port')) === undefined) await delay(20)
    return sentinel
  }

  async remove(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

async function command(port: number, name: string, ...args: readonly string[]): Promise<unknown> {
  const client = new Redis(port, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.call(name, ...args)
  } finally {
    client.disconnect()
  }
}

/** What a Sentinel says of the master; undefined when it does not answer. */
async function masterAt(port: number, field: string): Promise<string | undefined> {
  const reply = await command(port, 'SENTINEL', 'MASTER', MASTER_NAME).catch(() => [])
  const flat = reply as readonly string[]
  return flat[flat.indexOf(field) + 1]
}

async function untilLinked(port: number): Promise<void> {
  for (;;) {
    const info = await command(port, 'INFO', 'replication').catch(() => '')
    if (String(info).includes('master_link_status:up')) return
    await delay(20)
  }
}

async function offsetOf(port: number): Promise<number> {
  return Number(/slave_repl_offset:(\d+)/.exec(String(await command(port, 'INFO', 'replication')))?.[1] ?? 0)
}
