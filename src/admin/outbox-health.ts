import type { Backend } from '../backend/backend.ts'
import { checkHealth } from '../backend/check-health.ts'
import { readOptions } from '../foundation/option-table.ts'
import { HEALTH, type Health, type HealthCheck, type HealthOptions, type Liveness } from '../health/health.ts'
import { type Answer, answerOf, Probe } from '../health/probe.ts'
import type { Store } from '../store/store.ts'

/** A worker, as far as its health goes. */
export interface WorkerLook {
  /** The names of the backends that it serves. */
  readonly backends: readonly string[]
  health(): HealthCheck
}

export interface OutboxHealthParts {
  readonly store: Pick<Store, 'description' | 'schema'>
  readonly backends: ReadonlyMap<string, Backend>
  /** The workers that were made in this process. */
  readonly workers: Iterable<WorkerLook>
  readonly isClosed: () => boolean
}

/** How an outbox is, as far as one process can tell. What doctor finds has no say: it asks for a person, not for a new process. */
export class OutboxHealth {
  readonly #parts: OutboxHealthParts
  readonly #database: Probe
  readonly #backends = new Map<Backend, Probe>()

  constructor(parts: OutboxHealthParts) {
    this.#parts = parts
    this.#database = new Probe(() => answerOf(() => parts.store.schema.check()))
  }

  liveness(): Liveness {
    const checks = Array.from(this.#parts.workers, (worker) => worker.health())
    return { live: checks.every(({ live }) => live), checks }
  }

  async health(options: HealthOptions = {}): Promise<Health> {
    const asked = readOptions('health()', HEALTH, options)
    const served = asked.askBackends ? this.#served() : []
    const [database, backends] = await Promise.all([
      this.#askDatabase(asked),
      Promise.all(served.map((name) => this.#askBackend(name, asked))),
    ])
    const { live, checks: workers } = this.liveness()
    // One of them is enough: the others' events wait, and this process can do something.
    const oneOf = (all: readonly HealthCheck[]): boolean => all.length === 0 || all.some(({ ready }) => ready)
    const ready = database.ready && oneOf(workers) && oneOf(backends)
    return { live, ready, checks: [database, ...backends, ...workers] }
  }

  /** What the workers here serve: those that are at work, or else all. */
  #served(): readonly string[] {
    const all = [...this.#parts.workers]
    const atWork = all.filter((worker) => worker.health().ready)
    return [...new Set((atWork.length > 0 ? atWork : all).flatMap(({ backends }) => backends))]
  }

  async #askDatabase(asked: { readonly timeout: number; readonly maxAge: number }): Promise<HealthCheck> {
    const closed: Answer = { ready: false, detail: 'this Broadcaster is closed' }
    const answer = this.#parts.isClosed() ? closed : await this.#database.look(asked)
    return { kind: 'database', name: this.#parts.store.description, live: true, ...answer }
  }

  async #askBackend(name: string, asked: { readonly timeout: number; readonly maxAge: number }): Promise<HealthCheck> {
    const backend = this.#parts.backends.get(name)
    const answer = backend ? await this.#probeOf(backend, asked.timeout).look(asked) : { ready: false, detail: null }
    return { kind: 'backend', name, live: true, ...answer }
  }

  #probeOf(backend: Backend, timeout: number): Probe {
    const known = this.#backends.get(backend)
    if (known !== undefined) return known
    const probe = new Probe(async () => {
      const { healthy, detail = 'not healthy, and no reason given' } = await checkHealth(backend, timeout)
      return { ready: healthy, detail: healthy ? null : detail }
    })
    this.#backends.set(backend, probe)
    return probe
  }
}
