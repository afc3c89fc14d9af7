import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './redis-process.ts'

/** How long RabbitMQ may take to start or to end, in milliseconds. */
const PATIENCE = 60_000

/** The reason to skip for want of the program, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutRabbitMqServer(): string | false {
  if (spawnSync('sh', ['-c', 'command -v rabbitmq-server']).status === 0) return false
  const reason = 'the program rabbitmq-server is not installed (`scripts/services` installs it)'
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}

/** A RabbitMQ node of the test's own: it can be killed and started again on its port, with its data. */
export class RabbitMqProcess {
  readonly port: number
  readonly directory = mkdtempSync(join(tmpdir(), 'broadcaster-rabbitmq-'))
  readonly #distributionPort: number
  readonly #node = `test-${randomUUID().slice(0, 8)}@localhost`

  constructor(port: number, distributionPort: number) {
    this.port = port
    this.#distributionPort = distributionPort
  }

  /** Several nodes of one cluster, each with its data. */
  static async cluster(size: number): Promise<readonly RabbitMqProcess[]> {
    const first = await RabbitMqProcess.start()
    const joins = [
      'cluster_formation.peer_discovery_backend = classic_config',
      `cluster_formation.classic_config.nodes.1 = ${first.#node}`,
    ]
    const others = Array.from({ length: size - 1 }, (_, n) =>
      RabbitMqProcess.start([...joins, `cluster_formation.classic_config.nodes.2 = another-${n}@localhost`]),
    )
    return [first, ...(await Promise.all(others))]
  }

  /** `lines`: more of its configuration. */
  static async start(lines: readonly string[] = []): Promise<RabbitMqProcess> {
    const server = new RabbitMqProcess(await freePort(), await freePort())
    const config = [`listeners.tcp.local = 127.0.0.1:${server.port}`, ...lines]
    writeFileSync(join(server.directory, 'rabbitmq.conf'), `${config.join('\n')}\n`)
    writeFileSync(join(server.directory, 'enabled_plugins'), '[].\n')
    writeFileSync(join(server.directory, 'rabbitmq-env.conf'), 'ERL_EPMD_ADDRESS=127.0.0.1\n')
    // The program drops root's rights.
    if (process.getuid?.() === 0) spawnSync('chown', ['-R', 'rabbitmq', server.directory])
    await server.start()
    return server
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    rmSync(this.#pidFile, { force: true })
    const { directory } = this
    const child = spawn('rabbitmq-server', [], {
      stdio: 'ignore',
      detached: true,
      env: {
        ...process.env,
        RABBITMQ_NODENAME: this.#node,
        RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
        RABBITMQ_CONF_ENV_FILE: join(directory, 'rabbitmq-env.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
        RABBITMQ_DIST_PORT: String(this.#distributionPort),
        RABBITMQ_MNESIA_BASE: directory,
        RABBITMQ_LOG_BASE: directory,
        RABBITMQ_PID_FILE: this.#pidFile,
      },
    })
    child.unref()
    await until('RabbitMQ to start', () => greets(this.port))
  }

  /** Kills it in the middle of whatever it does. */
  async kill(): Promise<void> {
    const pid = this.#pid
    if (pid === undefined) return
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      return
    }
    await until('RabbitMQ to end', async () => !existsSync(`/proc/${pid}`))
    rmSync(this.#pidFile, { force: true })
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  get #pidFile(): string {
    return join(this.directory, 'pid')
  }

  get #pid(): number | undefined {
    return existsSync(this.#pidFile) ? Number(readFileSync(this.#pidFile, 'utf8')) : undefined
  }
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE; !(await done()); await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (Date.now() > end) throw new Error(`waited ${PATIENCE} ms for ${what}`)
  }
}

/** Whether it answers the protocol's header: it does so only once it is ready. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1')))
    const end = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    socket.setTimeout(1_000, () => end(false))
    socket.on('error', () => end(false))
    socket.on('data', () => end(true))
  })
}
