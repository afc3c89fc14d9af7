import type { Run } from './group.ts'

/** Compare and act in one step, so that nobody renews or ends the lease of another. */
const RENEW = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
const END = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"

/** Who alone may read, kept in Redis for some time. */
export class ReaderLease {
  readonly #key: string
  readonly #holder: string
  readonly #duration: number

  /** `duration` in milliseconds. */
  constructor(key: string, holder: string, duration: number) {
    this.#key = key
    this.#holder = holder
    this.#duration = duration
  }

  /** Takes it when nobody has it, or renews our own; whether it is ours now. */
  async take(run: Run): Promise<boolean> {
    const duration = String(this.#duration)
    const taken = await run(this.#key, ['SET', this.#key, this.#holder, 'NX', 'PX', duration])
    if (taken !== null) return true
    return Number(await run(this.#key, ['EVAL', RENEW, '1', this.#key, this.#holder, duration])) === 1
  }

  async end(run: Run): Promise<void> {
    await run(this.#key, ['EVAL', END, '1', this.#key, this.#holder])
  }
}
