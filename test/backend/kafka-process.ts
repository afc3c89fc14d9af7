import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jarsOf } from '../support/jars.ts'
import { freePort } from './redis-process.ts'

/** How long Kafka may take to start, in milliseconds. */
const PATIENCE = 180_000
/** Small, and quick to start; a group need not wait for members that never come. */
const SETTINGS = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'num.partitions': '4',
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '1',
  'group.initial.rebalance.delay.ms': '0',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '1',
}

/** A Kafka of the test's own, one node: it can be killed and started again on its port, with its data. */
export class KafkaProcess {
  readonly port: number
  readonly directory = mkdtempSync(join(tmpdir(), 'broadcaster-kafka-'))
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
  }

  /**
   * `settings`: more lines of its configuration, which go before ours; `{port}` and `{controller}` stand for the ports.
   * `advertised`: the port that clients are told.
   */
  static async start(
    settings: Readonly<Record<string, string>> = {},
    advertised?: (port: number) => Promise<number>,
  ): Promise<KafkaProcess> {
    const [port, controller] = [await freePort(), await freePort()]
    const server = new KafkaProcess(port)
    const lines = Object.entries({
      ...SETTINGS,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${(await advertised?.(port)) ?? port}`,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      'log.dirs': join(server.directory, 'data'),
      ...settings,
    })
    writeFileSync(
      server.#config,
      lines
        .map(([name, value]) => `${name}=${value}\n`)
        .join('')
        .replaceAll('{port}', String(port))
        .replaceAll('{controller}', String(controller)),
    )
    const id = 'AAAAAAAAAAAAAAAAAAAAAQ'
    const format = ['-cp', `${jarsOf('kafka')}/*`, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', server.#config]
    const { status, stderr } = spawnSync('java', format, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`Kafka's storage could not be formatted:\n${stderr}`)
    await server.start()
    return server
  }

  /** Several brokers of one cluster, each with its data; topics have as many replicas unless they say otherwise. */
  static async cluster(size: number): Promise<readonly KafkaProcess[]> {
    const controllers = await Promise.all(Array.from({ length: size }, freePort))
    const common = {
      'controller.quorum.voters': controllers.map((port, n) => `${n + 1}@127.0.0.1:${port}`).join(','),
      'default.replication.factor': String(size),
      'min.insync.replicas': String(Math.ceil((size + 1) / 2)),
      'offsets.topic.replication.factor': String(size),
      'transaction.state.log.replication.factor': String(size),
      'transaction.state.log.min.isr': '1',
      'group.min.session.timeout.ms': '500',
      // How soon a dead broker is known to be dead: 9 s by default.
      'broker.session.timeout.ms': '3000',
      'broker.heartbeat.interval.ms': '500',
    }
    return await Promise.all(
      controllers.map((controller, n) =>
        KafkaProcess.start({
          ...common,
          'node.id': String(n + 1),
          listeners: `PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:${controller}`,
        }),
      ),
    )
  }

  /** `host:port`. */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const memory = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    const child = spawn('java', [...memory, '-cp', `${jarsOf('kafka')}/*`, 'kafka.Kafka', this.#config], {
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    this.#child = child
    const end = Date.now() + PATIENCE
    while (!(await answers(this.port))) {
      if (child.exitCode !== null || Date.now() > end) throw new Error('Kafka did not start')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Stops it as an operator would. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Kills it in the middle of whatever it does. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Connections stay open, and nothing is answered. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  get #config(): string {
    return join(this.directory, 'server.properties')
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

/** Whether it answers ApiVersions: it does so only once it is ready. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255])
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(request))
    const end = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    socket.setTimeout(2_000, () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('data', () => end(true))
  })
}
