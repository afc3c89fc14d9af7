/** Tracks what is in flight, for whoever has to wait until nothing is. */
export class InFlight {
  readonly #all = new Set<Promise<unknown>>()

  /** Settles as the promise does, which counts as in flight until then. */
  async track<T>(promise: Promise<T>): Promise<T> {
    this.#all.add(promise)
    try {
      return await promise
    } finally {
      this.#all.delete(promise)
    }
  }

  /** Resolves when all that is in flight now has settled. Never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#all)
  }
}
