/** A signal that aborts with another one, or after some time. End it when done: it then leaves nothing behind. */
export class TimeLimit {
  readonly #stop = new AbortController()
  readonly #outer: AbortSignal
  readonly #timer: NodeJS.Timeout
  readonly #onAbort = (): void => {
    // The aborted work may never end, and the timer would keep the process alive for it.
    clearTimeout(this.#timer)
    this.#stop.abort(this.#outer.reason)
  }
  #timedOut = false

  /** `timeout` in milliseconds. */
  constructor(outer: AbortSignal, timeout: number) {
    this.#outer = outer
    this.#timer = setTimeout(() => {
      this.#timedOut = true
      this.#stop.abort()
    }, timeout)
    if (outer.aborted) this.#onAbort()
    else outer.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Whether the time ran out before `end`. */
  get timedOut(): boolean {
    return this.#timedOut
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener('abort', this.#onAbort)
  }
}
