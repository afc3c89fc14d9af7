/** A sleep that others can end early; an `end` between two sleeps ends the next at once, so that no wake-up is lost. */
export class Pause {
  #ended = false
  #resolve: (() => void) | undefined

  /** Milliseconds. */
  async sleep(duration: number): Promise<void> {
    if (!this.#ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(duration, 2 ** 31 - 1))
        this.#resolve = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#resolve = undefined
    this.#ended = false
  }

  end(): void {
    this.#ended = true
    this.#resolve?.()
  }
}
