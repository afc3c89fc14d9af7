/** The share of the lease that is always left when heartbeats come in time: they come every quarter or sooner. */
const STARTABLE = 0.7

/**
 * What this worker may still count on: its lease, by the monotonic clock, counted from before the renewal was asked
 * for, so that it always ends here before it ends in the database.
 */
export class Lease {
  /** Length in milliseconds. */
  readonly length: number
  /** Called when it, or the fence of a lane, is not to be trusted any more: ask the database. */
  onDoubt: () => void = () => undefined
  /** By how much the wall clock was ahead of the monotonic clock when it was last extended, in ms. */
  #lead = moment().lead
  #endsAt = Number.NEGATIVE_INFINITY
  #ended = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(length: number) {
    this.length = length
  }

  /** Milliseconds left; <= 0 = ended. */
  get left(): number {
    return this.#endsAt - performance.now()
  }

  /** Aborts when the lease ends without being extended. A new one after each `extend` of an ended lease. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /**
   * Whether a send that may take `timeout` ms may start: with more of the lease left than that. A longer timeout than
   * the lease allows would never start; it needs as much as is left between two heartbeats, and is aborted at the end.
   */
  allows(timeout: number): boolean {
    return this.left >= Math.min(timeout, this.length * STARTABLE) && !this.#isDoubtful()
  }

  /**
   * The monotonic clock of a virtual machine stands still with it while it is paused, and the lease does not. The wall
   * clock is set right soon after: when the two no longer agree, the database is asked before anything else is sent.
   */
  #isDoubtful(): boolean {
    const isDoubtful = Math.abs(moment().lead - this.#lead) > Math.max(50, Math.min(1_000, this.length / 10))
    if (isDoubtful) this.onDoubt()
    return isDoubtful
  }

  /** A renewal that was asked for then has succeeded. */
  extend(asked: Moment): void {
    if (this.#ended.signal.aborted) this.#ended = new AbortController()
    this.#endsAt = asked.monotonic + this.length
    this.#lead = asked.lead
    this.#watch()
  }

  /** The lease is known to be lost, or is not needed any more. */
  end(): void {
    clearTimeout(this.#timer)
    this.#endsAt = Number.NEGATIVE_INFINITY
    this.#ended.abort()
  }

  #watch(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => (this.left <= 0 ? this.end() : this.#watch()), Math.max(1, this.left))
    this.#timer.unref()
  }
}

/** Both clocks of this host at one moment, in ms. */
export interface Moment {
  readonly monotonic: number
  /** By how much the wall clock is ahead of the monotonic clock. */
  readonly lead: number
}

export function moment(): Moment {
  const monotonic = performance.now()
  return { monotonic, lead: Date.now() - monotonic }
}
