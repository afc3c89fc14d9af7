/** One scan of all lanes takes less than one of each from so many lanes on. */
const LANES = 4
/** Where there was more, or it took longer, all lanes are not read at once for so long, in ms. */
const AGAIN = 1_000
/** It is judged by so many reads at the least: one has little chance against the least of many. */
const TRIES = 10
/** What a read of each lane takes is measured again after this long, in ms. */
const MEASURE_AGAIN = 5_000
/** By how much each read raises the least time known, unless it took less: one that no longer holds is soon forgotten. */
const FORGET = 1.02

/**
 * Whether the ends of all lanes are read at once, or each by itself: by the least that either took of late, for what is above that is
 * other work of the machine.
 */
export class ReadWays {
  readonly #least = { atOnce: Number.POSITIVE_INFINITY, each: Number.POSITIVE_INFINITY }
  #againAt = Number.NEGATIVE_INFINITY
  /** Reads of all lanes at once since then. */
  #tries = 0
  /** When each lane was last read by itself, by the monotonic clock. */
  #eachAt = Number.POSITIVE_INFINITY

  /** Whether so many lanes may be read at once, if there is little in them. */
  mayBeAtOnce(lanes: number): boolean {
    const now = performance.now()
    return lanes >= LANES && now >= this.#againAt && now < this.#eachAt + MEASURE_AGAIN
  }

  /** All were read at once in `duration` ms; `hadMore`: in vain. */
  atOnce(duration: number, hadMore: boolean): void {
    this.#took('atOnce', duration)
    this.#tries++
    const isSlow = this.#tries >= TRIES && this.#least.atOnce > this.#least.each
    if (!hadMore && !isSlow) return
    this.#againAt = performance.now() + AGAIN
    this.#tries = 0
  }

  /** So many lanes were read one by one in `duration` ms. */
  each(duration: number, lanes: number): void {
    if (lanes < LANES) return
    this.#took('each', duration)
    this.#eachAt = performance.now()
  }

  #took(way: 'atOnce' | 'each', duration: number): void {
    this.#least[way] = Math.min(duration, FORGET * this.#least[way])
  }
}
