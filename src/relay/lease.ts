/** The share of the lease that is always left when heartbeats come in time: they come every quarter or sooner. */
const STARTABLE = 0.7

/**
 * What this worker may still count on: its lease, by the monotonic clock, counted from before the renewal was asked
 * for, so that it always ends here before it ends in the database.
 */
export class Lease {
  /** Length in milliseconds. */
  readonly length: number
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
    return this.left >= Math.min(timeout, this.length * STARTABLE)
  }

  /** A renewal that was asked for at the monotonic time `askedAt` has succeeded. */
  extend(askedAt: number): void {
    if (this.#ended.signal.aborted) this.#ended = new AbortController()
    this.#endsAt = askedAt + this.length
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
