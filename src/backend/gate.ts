/** Lets at most `width` pieces of work run at once; the others wait, first come, first served. */
export class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(width: number) {
    this.#free = width
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // A place is handed over, not freed, so that no later caller can take it first.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
