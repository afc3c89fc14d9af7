import type { PermitRequest, Permits } from '../store/permits.ts'

/** Permits that were not used for so long are gone, in ms: used later they would go beside those of another time. */
export const LAPSE = 500
/** How long after an error the store is asked again, in ms. */
const AGAIN = 1_000

/** What a gate works with. */
export interface RateGateParts {
  readonly rate: Pick<PermitRequest, 'interval' | 'burst'>
  readonly take: (request: PermitRequest) => Promise<Permits>
  /** Permits may be used now. */
  readonly onOpen: () => void
  /** Something could go, and did not for `duration` ms, for the rate's sake. */
  readonly onWaited: (duration: number) => void
  readonly onError: (error: unknown) => void
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
  #lapsesAt = 0
  #isAsking = false
  /** Monotonic time since which something could go but for the rate. */
  #waitingSince: number | undefined
  #callOff: (() => void) | undefined
  #isStopped = false

  constructor(parts: RateGateParts) {
    this.#parts = parts
  }

  /** How many events may go now. */
  get left(): number {
    return this.#parts.now() < this.#lapsesAt ? this.#left : 0
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

  /** Asks for no more, and calls nobody. */
  stop(): void {
    this.#isStopped = true
    this.#callOff?.()
  }

  async #ask(events: number): Promise<void> {
    const { take, rate, onError, now } = this.#parts
    const askedAt = now()
    try {
      const { taken, wait } = await take({ ...rate, events })
      if (wait > 0) this.#waitingSince ??= askedAt
      this.#wait(wait, () => this.#open(taken))
    } catch (error) {
      if (this.#isStopped) return
      onError(error)
      this.#wait(AGAIN, () => this.#open(0))
    }
  }

  #wait(duration: number, call: () => void): void {
    if (this.#isStopped) return
    if (duration <= 0) {
      call()
      return
    }
    const { now, after } = this.#parts
    const at = now() + duration
    // A timer may be early by the fraction of a millisecond.
    this.#callOff = after(duration, () => this.#wait(at - now(), call))
  }

  /** With none it was too early: who still has something to send asks again. */
  #open(taken: number): void {
    const { now, onOpen, onWaited } = this.#parts
    this.#isAsking = false
    if (taken > 0) {
      this.#left = this.left + taken
      this.#lapsesAt = now() + LAPSE
      if (this.#waitingSince !== undefined) onWaited(now() - this.#waitingSince)
      this.#waitingSince = undefined
    }
    onOpen()
  }
}
