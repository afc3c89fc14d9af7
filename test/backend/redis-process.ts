import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The reason to skip for want of the program, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutRedisServer(): string | false {
  if (spawnSync('redis-server', ['--version']).status === 0) return false
  const reason = 'the program redis-server is not installed (`scripts/services` installs it)'
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** A redis-server of the test's own: it can be stopped, frozen and started again on its port, with its data. */
export class RedisProcess {
  readonly port: number
  readonly directory = mkdtempSync(join(tmpdir(), 'broadcaster-redis-'))
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  constructor(port: number, args: readonly string[]) {
    this.port = port
    this.#args = args
  }

  static async start(...args: readonly string[]): Promise<RedisProcess> {
    const server = new RedisProcess(await freePort(), args)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** `ready`: what its log says when the test may go on. */
  async start(ready = 'Ready to accept connections', ...more: readonly string[]): Promise<void> {
    const base = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory, '--save', '']
    const child = spawn('redis-server', [...base, '--appendonly', 'yes', ...this.#args, ...more], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      let log = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        log += chunk.toString()
        if (log.includes(ready)) resolve()
      })
      child.once('exit', () => reject(new Error(`redis-server did not start:\n${log}`)))
    })
  }

  /** Stops it as an operator would; what it has acknowledged is on disk. */
  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    await exited
  }

  /** Kills it in the middle of whatever it does. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** Connections stay open, and nothing is answered. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
