import type { Pace } from './pace.ts'
import type { Sleeper, Waker } from './waker.ts'

/** After activity the next polls come after 10, 20, 40 and 80 ms: a commit may have said nothing, because another was just telling. */
const QUICK_POLLS = 4
/** The longest poll while another backend of this worker is busy, so that the store is not asked to wake us: ms. */
const POLL_BESIDE_BUSY = 250

/** How long a cycle that found nothing may sleep. */
export class Idle {
  readonly #waker: Waker
  readonly #pace: Pace
  readonly #pollInterval: number
  readonly #idleInterval: number
  #rounds = 0

  constructor(
    waker: Waker,
    pace: Pace,
    { pollInterval, idleInterval }: { readonly pollInterval: number; readonly idleInterval: number },
  ) {
    this.#waker = waker
    this.#pace = pace
    this.#pollInterval = pollInterval
    this.#idleInterval = idleInterval
  }

  /** Something was found, or a commit was announced. */
  end(sleeper: Sleeper): void {
    this.#rounds = 0
    this.#waker.busy(sleeper, this.#pace.isRush)
  }

  /** Milliseconds until `sleeper` looks again, with jitter; 0 = at once, since commits are announced only from now on. */
  async next(sleeper: Sleeper): Promise<number> {
    const round = this.#rounds++
    const quick = 10 * 2 ** round
    if (round < QUICK_POLLS) {
      if (!this.#pace.isRush) this.#waker.attend(sleeper)
      return Math.min(quick, this.#pollInterval)
    }
    const rest = await this.#waker.rest(sleeper)
    if (rest === 'sweep') return 0
    return Math.min(this.#longest(rest), quick) * (0.75 + Math.random() / 2)
  }

  #longest(rest: 'sleep' | 'poll' | 'beside-busy'): number {
    if (rest === 'sleep') return this.#idleInterval
    return rest === 'poll' ? this.#pollInterval : Math.min(this.#pollInterval, POLL_BESIDE_BUSY)
  }
}
