import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../backend/redis-process.ts'

interface Alert {
  readonly state: 'pending' | 'firing'
  readonly labels: Readonly<Record<string, string>>
}

/** How long the test waits for an alert, in milliseconds. */
const PATIENCE = 30_000
/** Between two questions, in milliseconds. */
const ASK = 100

/** A Prometheus of the test's own: it scrapes the targets four times a second, and judges the rules as often. */
export class PrometheusProcess {
  readonly port: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'broadcaster-prometheus-'))
  #child: ChildProcess | undefined
  #log = ''

  private constructor(port: number) {
    this.port = port
  }

  /** `rules`: the text of a rule file; `targets`: `host:port`. */
  static async start(rules: string, targets: readonly string[]): Promise<PrometheusProcess> {
    const server = new PrometheusProcess(await freePort())
    await server.#start(rules, targets)
    return server
  }

  async #start(rules: string, targets: readonly string[]): Promise<void> {
    writeFileSync(join(this.#directory, 'rules.yaml'), rules)
    // JSON is YAML.
    const config = {
      global: { scrape_interval: '250ms', scrape_timeout: '250ms', evaluation_interval: '250ms' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'broadcaster', static_configs: [{ targets }] }],
    }
    writeFileSync(join(this.#directory, 'prometheus.yml'), JSON.stringify(config))
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(this.#directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(this.#directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${this.port}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-10_000)
        if (this.#log.includes('Server is ready to receive web requests')) resolve()
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error(`prometheus did not start:\n${this.#log}`)))
    })
  }

  /** Whether the alert fires, with these labels among its own. */
  async #fires(alert: string, wanted: Readonly<Record<string, string>>): Promise<boolean> {
    const { alerts } = await this.#ask<{ readonly alerts: readonly Alert[] }>('alerts')
    const all = Object.entries({ ...wanted, alertname: alert })
    return alerts.some(
      ({ state, labels }) => state === 'firing' && all.every(([name, value]) => labels[name] === value),
    )
  }

  /** Resolves when the alert fires with these labels among its own; or, with `fires` false, when it does not. */
  async until(alert: string, fires: boolean, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    const end = performance.now() + PATIENCE
    for (;;) {
      if ((await this.#fires(alert, labels)) === fires) return
      if (performance.now() > end) throw new Error(`${alert} ${fires ? 'never fired' : 'never cleared'}\n${this.#log}`)
      await new Promise((resolve) => setTimeout(resolve, ASK))
    }
  }

  /** The value of a query's first series; undefined = there is none. */
  async value(query: string): Promise<number | undefined> {
    interface Answer {
      readonly result: readonly { readonly value: readonly [time: number, value: string] }[]
    }
    const { result } = await this.#ask<Answer>(`query?query=${encodeURIComponent(query)}`)
    return result[0] && Number(result[0].value[1])
  }

  async #ask<T>(path: string): Promise<T> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/api/v1/${path}`)
    return ((await answer.json()) as { readonly data: T }).data
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child && child.exitCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
