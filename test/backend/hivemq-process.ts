import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../project/source-files.ts'
import { jarsOf } from '../support/jars.ts'
import { freePort } from './redis-process.ts'

/** What its store of files looks into. */
const OPENED = ['java.base/java.lang', 'java.base/java.nio', 'java.base/sun.nio.ch', 'java.base/jdk.internal.misc']

/** A HiveMQ CE of the test's own, which keeps sessions in files: it can be killed and started again on its port. */
export class HiveMqProcess {
  readonly port: number
  readonly directory = mkdtempSync(join(tmpdir(), 'broadcaster-hivemq-'))
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
  }

  /** `mqtt`: more elements of that part of its configuration. */
  static async start(mqtt = ''): Promise<HiveMqProcess> {
    const server = new HiveMqProcess(await freePort())
    for (const folder of ['conf', 'data', 'extensions']) mkdirSync(join(server.directory, folder))
    writeFileSync(join(server.directory, 'conf/config.xml'), configuration(server.port, mqtt))
    await server.start()
    return server
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const child = spawn(
      'java',
      [
        ...['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        // It unpacks libraries there, and cannot take them away when it is killed.
        `-Djava.io.tmpdir=${this.directory}`,
        ...OPENED.map((name) => `--add-opens=${name}=ALL-UNNAMED`),
        ...['-cp', `${jarsOf('hivemq')}/*`, join(root, 'scripts/hivemq/HiveMq.java'), this.directory],
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    )
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      let log = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-10_000)
        if (/^started$/m.test(log)) resolve()
      })
      child.once('exit', () => reject(new Error(`HiveMQ did not start:\n${log}`)))
    })
  }

  /** Kills it in the middle of whatever it does. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** By default it keeps 1,000 messages for a session and drops the rest, and takes 10 at once from a client. */
function configuration(port: number, mqtt: string): string {
  return `<?xml version="1.0"?>
<hivemq>
  <listeners><tcp-listener><port>${port}</port><bind-address>127.0.0.1</bind-address></tcp-listener></listeners>
  <persistence><mode>file</mode></persistence>
  <mqtt>
    <queued-messages><max-queue-size>1000000</max-queue-size></queued-messages>
    <receive-maximum><server-receive-maximum>1000</server-receive-maximum></receive-maximum>
    ${mqtt}
  </mqtt>
  <anonymous-usage-statistics><enabled>false</enabled></anonymous-usage-statistics>
</hivemq>
`
}
