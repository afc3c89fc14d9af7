/** How often the time that has passed is counted, in ms. */
const SLICE = 250
/** A slice that took longer by this much was not ours: the process stood still, or computed. */
const LATE = 100

/**
 * Calls `onEnd` when `duration` ms were really granted to what it waits for. While this process is frozen, or its event loop
 * is kept busy, answers cannot be read, so that time does not count; up to four times `duration`.
 */
export class GrantedTime {
  #left: number
  readonly #latest: number
  #timer: NodeJS.Timeout | undefined
  readonly #onEnd: () => void

  constructor(duration: number, onEnd: () => void) {
    this.#left = duration
    this.#latest = performance.now() + 4 * duration
    this.#onEnd = onEnd
    this.#wait()
  }

  cancel(): void {
    clearTimeout(this.#timer)
  }

  #wait(): void {
    const slice = Math.min(SLICE, this.#left)
    const began = performance.now()
    this.#timer = setTimeout(() => {
      const took = performance.now() - began
      // After standing still, what came meanwhile is read first.
      this.#left -= took > slice + LATE ? 0 : Math.max(slice, took)
      if (this.#left > 0 && performance.now() < this.#latest) this.#wait()
      else this.#onEnd()
    }, slice)
  }
}
