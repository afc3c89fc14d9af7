import { BroadcasterError } from '../errors.ts'
import { duration } from '../foundation/option-kinds.ts'
import type { OptionsOf } from '../foundation/option-table.ts'
import { type BreakerRow, type BreakerStore, LONGEST_BREAKER_WAIT } from '../store/coordination-store.ts'
import { ascii } from './plain-outcome.ts'

export const BREAKER = {
  /** The time from the outage to the first probe, in milliseconds. Default 200. */
  firstProbe: duration(200, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  /** The time from a failed probe to the next, in milliseconds. Default 1,000. */
  probeInterval: duration(1_000, { min: 1, max: 3_600_000 }),
}
/** When a backend that was down is tried again. */
export type BreakerOptions = OptionsOf<typeof BREAKER>

export interface BreakerState {
  readonly isOpen: boolean
}

/**
 * This worker's view of a backend's breaker. The state lives in the store, shared by all workers; this object opens
 * and closes it there and remembers what it last saw.
 */
export class Breaker {
  readonly #store: BreakerStore
  readonly #backend: string
  readonly #firstProbe: number
  readonly #probeInterval: number
  /** Another one each time that it opens or closes. */
  #state: BreakerState = { isOpen: false }
  /** An operator paused the backend: as good as open, with no probe due. */
  #paused = false
  /** Monotonic time of the next probe, in ms. */
  #probeAt = 0
  /** Why it opened, until the store knows: otherwise a store that failed just then would never allow a probe. */
  #untold: string | undefined

  constructor(store: BreakerStore, backend: string, { firstProbe = 200, probeInterval = 1_000 }: BreakerOptions) {
    this.#store = store
    this.#backend = backend
    this.#firstProbe = firstProbe
    this.#probeInterval = probeInterval
  }

  /** Whether nothing may be sent: it is open, or the backend is paused. */
  get isOpen(): boolean {
    return this.#state.isOpen || this.#paused
  }

  /** A send that began in another one says nothing about the present. */
  get state(): BreakerState {
    return this.#state
  }

  /** Whether a probe will close it by itself. */
  get isProbing(): boolean {
    return this.#state.isOpen && !this.#paused
  }

  /** Milliseconds until a probe is due; none is while the backend is paused. */
  get probeIn(): number {
    return this.#paused ? Number.POSITIVE_INFINITY : Math.max(0, this.#probeAt - performance.now())
  }

  /** An outage was seen. Resolves to true when this call opened the shared breaker. */
  async trip(error: string, retryAfter: number): Promise<boolean> {
    const wait = Math.min(LONGEST_BREAKER_WAIT, Math.max(this.#firstProbe, retryAfter))
    this.#state = { isOpen: true }
    this.#probeAt = performance.now() + wait
    this.#untold = error
    const opened = await told(error, (text) => this.#store.open(this.#backend, wait, text))
    this.#untold = undefined
    return opened
  }

  /** Takes the right to probe, if due. `timeout`: how long the probe may take, in ms. */
  async tryProbe(timeout: number): Promise<boolean> {
    const again = Math.min(LONGEST_BREAKER_WAIT, timeout + this.#probeInterval)
    if (this.#untold !== undefined) await told(this.#untold, (text) => this.#store.open(this.#backend, 0, text))
    this.#untold = undefined
    const mine = await this.#store.tryProbe(this.#backend, again)
    // Not ours: another worker probes; its success is seen by the next survey.
    this.#probeAt = performance.now() + (mine ? again : this.#probeInterval)
    return mine
  }

  /** The probe failed: the backend is still down. */
  async probeFailed(error: string, retryAfter: number): Promise<void> {
    const wait = Math.min(LONGEST_BREAKER_WAIT, Math.max(this.#probeInterval, retryAfter))
    this.#probeAt = performance.now() + wait
    await told(error, (text) => this.#store.postpone(this.#backend, wait, text))
  }

  /** The probe succeeded. Resolves to true when this call closed the shared breaker. */
  async reset(): Promise<boolean> {
    const closed = await this.#store.close(this.#backend)
    this.#state = { isOpen: false }
    this.#untold = undefined
    return closed
  }

  /** What a survey says. Returns how our view changed. */
  observe(row: BreakerRow): 'opened' | 'closed' | undefined {
    const wasOpen = this.isOpen
    this.#paused = row.paused !== null
    if (row.open !== this.#state.isOpen) {
      this.#state = { isOpen: row.open }
      this.#untold = undefined
      this.#probeAt = performance.now() + (row.probeIn > LONGEST_BREAKER_WAIT ? 0 : Math.max(0, row.probeIn))
    }
    if (this.isOpen === wasOpen) return undefined
    return this.isOpen ? 'opened' : 'closed'
  }
}

/** The state of a breaker matters more than why: a database that cannot hold the text gets it in ASCII. */
export async function told<T>(error: string, tell: (text: string) => Promise<T>): Promise<T> {
  try {
    return await tell(error)
  } catch (failure) {
    const plain = ascii(error)
    if (plain === error || (failure instanceof BroadcasterError && failure.retryable)) throw failure
    return tell(plain)
  }
}
