import type { Outcome } from '../store/relay-store.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import type { FlowTally } from './flow-tally.ts'
import type { HeldEvent } from './held-event.ts'

export interface SettleTallyParts {
  readonly signals: SignalSource
  readonly backend: string
  readonly worker: string
  /** What the worker writes down of it. */
  readonly flow: Pick<FlowTally, 'add'>
}

const NOTHING = { published: 0, retried: 0, failed: 0, blocked: 0, lost: 0 }

/** Counts what is recorded: for what the worker writes down, and, with a listener, for one signal for each settle. */
export class SettleTally {
  readonly #parts: SettleTallyParts
  #counts = { ...NOTHING }
  #ages: number[] = []

  constructor(parts: SettleTallyParts) {
    this.#parts = parts
  }

  add(held: HeldEvent, outcome: Outcome): void {
    const { signals, flow, backend } = this.#parts
    flow.add(backend, held, outcome)
    if (!signals.has('batch.settled')) return
    if (outcome.kind === 'published') {
      this.#counts.published++
      this.#ages.push(Date.now() - held.row.createdAt.getTime())
    } else if (outcome.kind === 'retry') this.#counts.retried++
    else if (outcome.kind === 'failed') this.#counts.failed++
    // Only waiting without an end is reported.
    else if (outcome.kind === 'park' && outcome.delay === null) this.#counts.blocked++
  }

  addLost(): void {
    if (this.#parts.signals.has('batch.settled')) this.#counts.lost++
  }

  /** Tells what was counted since the last call; nothing when that is nothing. `duration`: of the settle, in ms. */
  tell(duration: number | null): void {
    const { published, retried, failed, blocked, lost } = this.#counts
    if (published + retried + failed + blocked + lost === 0) return
    const { signals, backend, worker } = this.#parts
    const message = { backend, worker, ...this.#counts, ages: this.#ages, duration }
    this.#counts = { ...NOTHING }
    this.#ages = []
    signals.emit('batch.settled', message)
  }
}
