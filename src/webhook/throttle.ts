import { setTimeout as sleep } from 'node:timers/promises'
import { settles } from '../foundation/waiting.ts'
import { FULL_BUCKET, type RateLimit, type TokenBucket, takeToken } from './token-bucket.ts'

/** Keeps a rate: senders wait for their turn, first come, first served. */
export class Throttle {
  readonly limit: RateLimit
  #bucket: TokenBucket = FULL_BUCKET
  #line: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(limit: RateLimit) {
    this.limit = limit
  }

  /** Whether it can be forgotten: no sender waits, and the bucket is full. */
  get idle(): boolean {
    return this.#waiting === 0 && this.#bucket.fullAt <= performance.now()
  }

  /** Resolves with true when it is the caller's turn, which is then used up; with false when `signal` aborts before. */
  async turn(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    this.#waiting++
    const turn = this.#line.then(() => this.#take(signal))
    this.#line = turn
    // Whoever is first in line may have another signal.
    const settled = await settles(turn, { signal })
    this.#waiting--
    return settled && turn
  }

  async #take(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const { bucket, wait } = takeToken(this.#bucket, this.limit, performance.now())
      this.#bucket = bucket
      if (wait === 0) return true
      await sleep(wait, undefined, { signal }).catch(() => undefined)
    }
    return false
  }
}

/** How many destinations are remembered before idle ones are looked for. */
const MANY = 1_000

/** A throttle of the same limit for each name. */
export class KeyedThrottles {
  readonly #limit: RateLimit
  readonly #throttles = new Map<string, Throttle>()

  constructor(limit: RateLimit) {
    this.#limit = limit
  }

  of(name: string): Throttle {
    const known = this.#throttles.get(name)
    if (known) return known
    if (this.#throttles.size >= MANY) {
      for (const [other, throttle] of this.#throttles) if (throttle.idle) this.#throttles.delete(other)
    }
    const throttle = new Throttle(this.#limit)
    this.#throttles.set(name, throttle)
    return throttle
  }
}
