/** What waits for an answer, each for the same time: so the oldest is due first, and one timer serves all. */
export class Unanswered<Waiting> {
  readonly #timeout: number
  readonly #onLate: (late: readonly Waiting[]) => void
  /** By the monotonic clock. */
  readonly #deadlines = new Map<Waiting, number>()
  #timer: NodeJS.Timeout | undefined

  /** `timeout` in milliseconds. `onLate` gets those whose time is over, and deletes them. */
  constructor(timeout: number, onLate: (late: readonly Waiting[]) => void) {
    this.#timeout = timeout
    this.#onLate = onLate
  }

  get size(): number {
    return this.#deadlines.size
  }

  [Symbol.iterator](): Iterator<Waiting> {
    return this.#deadlines.keys()
  }

  add(waiting: Waiting): void {
    this.#deadlines.set(waiting, performance.now() + this.#timeout)
    this.#timer ??= setTimeout(this.#onTime, this.#timeout)
  }

  delete(waiting: Waiting): void {
    this.#deadlines.delete(waiting)
    if (this.#deadlines.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  readonly #onTime = (): void => {
    this.#timer = undefined
    const now = performance.now()
    const late: Waiting[] = []
    for (const [waiting, deadline] of this.#deadlines) {
      // Timers may fire a little early.
      if (deadline > now + 1) {
        this.#timer = setTimeout(this.#onTime, deadline - now)
        break
      }
      late.push(waiting)
    }
    if (late.length > 0) this.#onLate(late)
  }
}
