import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './redis-process.ts'

/**
 * For one that is to be killed: as durable as Mosquitto 2 can be. After each round of its loop that changed something, all
 * it has is written anew, which is slow when that is much: 10,000 events took 17 to 36 s. Stopped by SIGTERM it writes anyway.
 */
export const DURABLE = ['autosave_on_changes true', 'autosave_interval 1'] as const
/**
 * By default it drops what is more than 1,000 messages behind, and hands out 20 at once. With no limit of the former (0),
 * 2.0.11 resets the connection of whoever publishes what is denied.
 */
const UNBOUNDED = ['max_queued_messages 1000000', 'max_inflight_messages 20000']

/** The reason to skip for want of the program, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutMosquitto(): string | false {
  // It says its version and ends with a status of its own.
  if (spawnSync('mosquitto', ['-h']).error === undefined) return false
  const reason = 'the program mosquitto is not installed (`scripts/services` installs it)'
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

/** CONNECT of MQTT 3.1.1 without a name; it is answered, if only with a refusal. */
const CONNECT = Buffer.from([16, 12, 0, 4, 77, 81, 84, 84, 4, 2, 0, 5, 0, 0])

/**
 * Resolves when the server's loop runs. It says `running` a moment before, and a SIGTERM in between is forgotten: the
 * server then runs for ever (seen once on a busy machine).
 */
async function answered(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.write(CONNECT)
  await once(socket, 'data')
  socket.destroy()
}

/** A Mosquitto of the test's own: it can be stopped, killed, frozen and started again on its port, with its data. */
export class MosquittoProcess {
  readonly port: number
  readonly directory = mkdtempSync(join(tmpdir(), 'broadcaster-mosquitto-'))
  #lines: readonly string[]
  #child: ChildProcess | undefined

  private constructor(port: number, lines: readonly string[]) {
    this.port = port
    this.#lines = lines
  }

  /** `lines`: more of its configuration, which go before ours: Mosquitto takes the last of a name. */
  static async start(...lines: readonly string[]): Promise<MosquittoProcess> {
    const server = new MosquittoProcess(await freePort(), lines)
    // Started by root, it runs as a user of its own.
    chmodSync(server.directory, 0o777)
    await server.start()
    return server
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  /** `lines`: from now on in place of those given before. */
  async start(...lines: readonly string[]): Promise<void> {
    if (lines.length > 0) this.#lines = lines
    const own = new Set(this.#lines.map((line) => line.split(' ')[0]))
    const ours = ['persistence true', ...UNBOUNDED, 'allow_anonymous true'].filter(
      (line) => !own.has(line.split(' ')[0]),
    )
    const all = [
      `listener ${this.port} 127.0.0.1`,
      `persistence_location ${this.directory}/`,
      'log_dest stderr',
      'log_type all',
      ...ours,
      ...this.#lines,
    ]
    const config = this.write('mosquitto.conf', `${all.join('\n')}\n`)
    const child = spawn('mosquitto', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      let log = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-10_000)
        if (/mosquitto version \S+ running/.test(log)) resolve()
      })
      child.once('exit', () => reject(new Error(`mosquitto did not start:\n${log}`)))
    })
    await answered(this.port)
  }

  /** Writes a file that its configuration may name: of passwords, or rights. Returns its path. */
  write(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text, { mode: 0o644 })
    return path
  }

  /** Stops it as an operator would; what it has acknowledged is on disk. */
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

  /** Ends it and removes its data. */
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
