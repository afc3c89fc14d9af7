/** A sleep that others can end early; an `end` between two sleeps ends the next at once, so that no wake-up is lost. */
export class Pause {
  #ended = false
  #resolve: (() => void) | undefined

  /** `duration` in milliseconds. Resolves to whether it was ended early. */
  async sleep(duration: number): Promise<boolean> {
    if (!this.#ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(duration, 2 ** 31 - 1))
        this.#resolve = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const ended = this.#ended
    this.#resolve = undefined
    this.#ended = false
    return ended
  }

  end(): void {
    this.#ended = true
    this.#resolve?.()
  }
}
