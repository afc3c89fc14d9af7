import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './redis-process.ts'

/** The reason to skip for want of the program, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutNatsServer(): string | false {
  if (spawnSync('nats-server', ['--version']).status === 0) return false
  const reason = 'the program nats-server is not installed (`scripts/services` installs it)'
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

/** A nats-server of the test's own: it can be stopped, frozen and started again on its port, with its data. */
export class NatsProcess {
  readonly port: number
  readonly directory = mkdtempSync(join(tmpdir(), 'broadcaster-nats-'))
  readonly #config: string
  #child: ChildProcess | undefined

  constructor(port: number, config: string) {
    this.port = port
    this.#config = config
  }

  /** `config`: more lines of its configuration file. `jetstream`: the JetStream section's own lines; false = none. */
  static async start(config = '', jetstream: string | false = ''): Promise<NatsProcess> {
    const server = new NatsProcess(await freePort(), config)
    await server.start(jetstream)
    return server
  }

  /** Several servers of one JetStream cluster, each with its data. */
  static async cluster(size: number): Promise<readonly NatsProcess[]> {
    const ports = await Promise.all(Array.from({ length: 2 * size }, freePort))
    const routes = ports.slice(size).map((port) => `nats://127.0.0.1:${port}`)
    const servers = ports.slice(0, size).map((port, n) => {
      const cluster = `cluster { name: test, listen: "127.0.0.1:${ports[size + n]}", routes: [${routes.join(', ')}] }`
      return new NatsProcess(port, `server_name: n${n}\n${cluster}`)
    })
    await Promise.all(servers.map((server) => server.start()))
    return servers
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  async start(jetstream: string | false = ''): Promise<void> {
    const file = join(this.directory, 'nats.conf')
    const store = jetstream === false ? '' : `jetstream { store_dir: "${this.directory}"\n${jetstream}\n}\n`
    writeFileSync(file, `listen: "127.0.0.1:${this.port}"\n${store}${this.#config}\n`)
    const child = spawn('nats-server', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      let log = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        log += chunk.toString()
        if (log.includes('Server is ready')) resolve()
      })
      child.once('exit', () => reject(new Error(`nats-server did not start:\n${log}`)))
    })
  }

  /** Stops it as an operator would. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Kills it in the middle of whatever it does. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Connections stay open, and nothing is answered. Returns when it has stopped, which may be after the signal. */
  freeze(): void {
    const pid = String(this.#child?.pid)
    this.#child?.kill('SIGSTOP')
    const state = (): string => spawnSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }).stdout.trim()
    for (let now = state(); !now.startsWith('T'); now = state()) {
      if (now === '') throw new Error(`no process ${pid} to freeze`)
    }
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** It takes no new connections and ends those that it has one by one, as before an upgrade. */
  lameDuck(): void {
    this.#child?.kill('SIGUSR2')
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await exited
  }
}
