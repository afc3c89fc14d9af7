import type { Backend } from '../backend/backend.ts'
import { describeError } from '../foundation/describe-error.ts'
import { formatDuration } from '../foundation/for-people.ts'
import type { HealthCheck } from '../health/health.ts'
import { Pulse } from '../health/pulse.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

/** What a worker does just now. `passing`: single passes, with pauses between them. */
export type WorkerState = 'stopped' | 'starting' | 'running' | 'passing'

/** What a turn may take beyond all that is bounded in it, in ms: a machine that is busy is not dead. */
const MARGIN = 30_000
/** Statements in one turn of a cycle, at the most. */
const STATEMENTS = 6

/** The loops of one engagement of a worker: its heartbeat, and a cycle for each backend. */
export class Loops {
  /** Of the lane keeper. */
  readonly heartbeat: Pulse
  readonly #cycles = new Map<string, Pulse>()

  /** `statementTime`: how long one statement may take, in milliseconds. */
  constructor(
    served: readonly (readonly [string, Backend])[],
    options: Pick<ResolvedWorkerOptions, 'lease' | 'pollInterval' | 'idleInterval' | 'sendTimeout'>,
    statementTime: number,
  ) {
    const { lease, pollInterval, idleInterval, sendTimeout } = options
    // A pause, a renewal and a look, each a lease at most.
    this.heartbeat = new Pulse(3 * lease + MARGIN)
    const sleep = 1.25 * Math.max(pollInterval, idleInterval)
    for (const [name, { timeout = sendTimeout }] of served) {
      this.#cycles.set(name, new Pulse(sleep + STATEMENTS * statementTime + 2 * timeout + MARGIN))
    }
  }

  /** Of a backend's cycle. */
  cycle(backend: string): Pulse {
    return this.#cycles.get(backend) ?? this.heartbeat
  }

  /** What hangs, for people; undefined = nothing. */
  get hanging(): string | undefined {
    const all = [['heartbeat', this.heartbeat] as const, ...this.#cycles]
    const late = all.filter(([, pulse]) => pulse.overdue > 0)
    if (late.length === 0) return undefined
    const told = late.map(([name, pulse]) => `${name} (overdue by ${formatDuration(pulse.overdue)})`)
    return `hangs: ${told.join(', ')}`
  }
}

/** How a worker is. `storeError`: why its last heartbeat failed. */
export function workerHealth(
  name: string,
  state: WorkerState,
  loops: Loops | undefined,
  storeError: unknown,
): HealthCheck {
  const hanging = loops?.hanging
  const told = hanging ?? (storeError === undefined ? undefined : `its heartbeat failed: ${describeError(storeError)}`)
  const isAtWork = state === 'running' || state === 'passing'
  const detail = isAtWork ? (told ?? null) : `is ${state}`
  return { kind: 'worker', name, live: hanging === undefined, ready: detail === null, detail }
}
