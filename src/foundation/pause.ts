import { LONGEST_TIMER } from './waiting.ts'

/** A sleep that others can end early. An `end` between two sleeps ends the next one at once, so no wake-up is lost. */
export class Pause {
  #ended = false
  /** When the sleep ends, by the monotonic clock. */
  #endsAt = Number.POSITIVE_INFINITY
  #alarm: NodeJS.Timeout | undefined
  #resolve: (() => void) | undefined

  /** `duration` in milliseconds. Resolves to whether it was ended early. */
  async sleep(duration: number): Promise<boolean> {
    if (!this.#ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(duration, LONGEST_TIMER))
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

  /** Ends this sleep, or the next one, in `duration` milliseconds at the latest. */
  endWithin(duration: number): void {
    const at = performance.now() + duration
    if (at >= this.#endsAt) return
    clearTimeout(this.#alarm)
    this.#endsAt = at
    const ring = (): void => {
      this.#endsAt = Number.POSITIVE_INFINITY
      this.end()
    }
    this.#alarm = setTimeout(ring, Math.min(duration, LONGEST_TIMER)).unref()
  }
}
