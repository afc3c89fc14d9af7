import { LONGEST_TIMER } from '../foundation/waiting.ts'

/** Deliveries that wait for their next attempt. */
export class Sleepers {
  readonly #timers = new Set<NodeJS.Timeout>()

  /** Calls `again` after `delay` ms, or `onLost` when the delivery is lost before that. */
  add(
    delay: number,
    lost: AbortSignal | undefined,
    calls: { readonly again: () => void; readonly onLost: () => void },
  ): void {
    const awake = (): void => {
      clearTimeout(timer)
      this.#timers.delete(timer)
      lost?.removeEventListener('abort', gone)
    }
    const gone = (): void => {
      awake()
      // Only once everything lost with it is known to be lost: the next of its key must not overtake it.
      queueMicrotask(calls.onLost)
    }
    const again = (): void => {
      awake()
      calls.again()
    }
    const timer = setTimeout(again, Math.min(delay, LONGEST_TIMER))
    this.#timers.add(timer)
    lost?.addEventListener('abort', gone, { once: true })
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
