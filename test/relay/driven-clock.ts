import type { GateClock } from '../../src/relay/rate-gate.ts'

interface Timer {
  readonly at: number
  readonly call: () => void
}

/** A clock with timers that the test drives. */
export class DrivenClock implements GateClock {
  readonly #timers = new Set<Timer>()
  #now = 0

  readonly now = (): number => this.#now

  readonly after = (duration: number, call: () => void): (() => void) => {
    const timer = { at: this.#now + duration, call }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Calls whatever is due after so many ms. */
  advance(duration: number): void {
    this.#now += duration
    for (const timer of [...this.#timers]) if (timer.at <= this.#now && this.#timers.delete(timer)) timer.call()
  }

  /** The oldest timer is early. */
  ring(duration: number): void {
    this.#now += duration
    const [timer] = this.#timers
    if (timer && this.#timers.delete(timer)) timer.call()
  }

  /** How long until the next timer, in ms. */
  get next(): number {
    return Math.min(...[...this.#timers].map(({ at }) => at)) - this.#now
  }
}
