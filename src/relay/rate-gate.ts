import type { PermitRequest, Permits } from '../store/permits.ts'

/** Permits that were not used for so long are gone, in ms: used later they would go beside those of another time. */
export const LAPSE = 500
/** Permits that wait for a slot, or for those of a destination, are kept for so long, in ms: that may take longer than `LAPSE` each time. */
export const KEPT = 60_000
/** How long after an error the store is asked again, in ms. */
const AGAIN = 1_000
/** The store is asked again within so many ms, whatever it said: a longer wait may have become shorter. */
export const LOOK_AGAIN = 60_000

/** What a gate works with. */
export interface RateGateParts {
  readonly rate: Pick<PermitRequest, 'interval' | 'burst'>
  /** Settles within bounded time. */
  readonly take: (request: PermitRequest) => Promise<Permits>
  /** Permits may be used now. */
  readonly onOpen: () => void
  /** Something could go, and did not for `duration` ms, for the rate's sake. */
  readonly onWaited: (duration: number) => void
  readonly onError: (error: unknown) => void
  readonly clock: GateClock
}

export interface GateClock {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Calls after so many ms; returns what calls that off. */
  readonly after: (duration: number, call: () => void) => () => void
}

/**
 * The permits of one rate that this worker has. It asks for what could go just now, once at a time, and waits until they may be used;
 * nothing waits here but a timer: the events stay where they are.
 */
export class RateGate {
  readonly #parts: RateGateParts
  #left = 0
  #openedAt = 0
  #lapsesAt = 0
  #isAsking = false
  /** The last permits came too late, and were dropped. */
  #wasLate = false
  /** For how many ms something could go but for the rate, since permits were last given. */
  #waited = 0
  #callOff: (() => void) | undefined
  #isStopped = false

  constructor(parts: RateGateParts) {
    this.#parts = parts
  }

  /** How many events may go now. */
  get left(): number {
    return this.#parts.clock.now() < this.#lapsesAt ? this.#left : 0
  }

  /** Whether it knows nothing that would be lost with it. */
  get isIdle(): boolean {
    return !this.#isAsking && this.left === 0
  }

  /** Asks for permits for so many events, unless it does already; `onOpen` follows. */
  want(events: number): void {
    if (this.#isAsking || this.#isStopped || events <= 0) return
    this.#isAsking = true
    void this.#ask(events)
  }

  /** So many events go. */
  use(events: number): void {
    this.#left = Math.max(0, this.left - events)
  }

  /** What may go waits for something else: for a slot, or for permits of its destination. */
  keep(): void {
    if (this.left > 0) this.#lapsesAt = Math.max(this.#lapsesAt, this.#openedAt + KEPT)
  }

  /** Asks for no more, and calls nobody. */
  stop(): void {
    this.#isStopped = true
    this.#callOff?.()
  }

  /** Never rejects. */
  async #ask(events: number): Promise<void> {
    const { take, rate, clock } = this.#parts
    const askedAt = clock.now()
    try {
      const { taken, wait } = await take({ ...rate, events })
      if (!(taken >= 0 && wait >= 0)) throw new RangeError(`the store gave ${taken} permits in ${wait} ms`)
      const until = taken > 0 ? wait : Math.min(wait, LOOK_AGAIN)
      this.#wait(until, () => {
        if (wait > 0) this.#waited += clock.now() - askedAt
        this.#open(this.#inTime(taken, askedAt + wait))
      })
    } catch (error) {
      if (this.#isStopped) return
      this.#tell(error)
      this.#wait(AGAIN, () => this.#open(0))
    }
  }

  /**
   * What is left of permits that were given for `from` at the earliest. With an answer that took long, or after a freeze, they would go
   * beside those of now, so they are dropped; but not twice in a row, or nothing would go while the database is slow.
   */
  #inTime(taken: number, from: number): number {
    const isLate = taken > 0 && this.#parts.clock.now() > from + LAPSE
    this.#wasLate = isLate && !this.#wasLate
    return this.#wasLate ? 0 : taken
  }

  #wait(duration: number, call: () => void): void {
    if (this.#isStopped) return
    if (duration <= 0) {
      call()
      return
    }
    const { now, after } = this.#parts.clock
    const at = now() + duration
    // A timer may be early by the fraction of a millisecond.
    this.#callOff = after(duration, () => this.#wait(at - now(), call))
  }

  /** With none it was too early: who still has something to send asks again. Never throws. */
  #open(taken: number): void {
    const { clock, onOpen, onWaited } = this.#parts
    this.#isAsking = false
    try {
      if (taken > 0) {
        this.#left = this.left + taken
        this.#openedAt = clock.now()
        this.#lapsesAt = this.#openedAt + LAPSE
        const waited = this.#waited
        this.#waited = 0
        if (waited > 0) onWaited(waited)
      }
      onOpen()
    } catch (error) {
      this.#tell(error)
    }
  }

  /** Whoever is told must not stand in the way of the next. */
  #tell(error: unknown): void {
    try {
      this.#parts.onError(error)
    } catch {}
  }
}
