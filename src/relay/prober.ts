import { notDelivered, type SendResult } from '../backend/backend.ts'
import { classifySendError, RetryAfterError } from '../backend/send-error.ts'
import { describeError } from '../foundation/describe-error.ts'
import type { HeldEvent } from './held-event.ts'
import type { SendBuffer } from './send-buffer.ts'

/** After this many probes with one event another is tried, where there is one. */
const TRIES = 2
/** Events remembered that are to blame themselves. */
const MOST_BLAMED = 1_000

/** Which event tries, while the breaker is open, whether the backend is up again; and which ones are to blame themselves. */
export class Prober {
  /** Probes that failed since the backend was last up, by event. */
  readonly #failed = new Map<string, number>()
  /** The event of the last probe. */
  #last: string | undefined
  /** Events that were refused twice when the next one was taken: the backend is up, and refuses them. */
  readonly #blamed = new Set<string>()

  /** What a probe came to; `id`: of its event, undefined = it was a health check. Returns whether the backend is up. */
  tried(id: string | undefined, isUp: boolean): boolean {
    if (isUp) {
      if (id !== undefined) this.#blameLast(id)
      this.#failed.clear()
      this.#last = undefined
    } else if (id !== undefined) {
      this.#failed.set(id, (this.#failed.get(id) ?? 0) + 1)
      this.#last = id
    }
    return isUp
  }

  /** Whether an outage is this event's own trouble. */
  blames(id: string): boolean {
    return this.#blamed.has(id)
  }

  /** The same results; the outage of an event that is to blame for it, sent alone, is a failure of that event. */
  correct(
    batch: readonly HeldEvent[],
    results: readonly (SendResult | undefined)[],
  ): readonly (SendResult | undefined)[] {
    const [only, ...more] = batch
    const [result] = results
    if (only === undefined || more.length > 0 || !this.#blamed.has(only.id)) return results
    this.#blamed.delete(only.id)
    if (result === undefined || result.ok || classifySendError(result.error).kind !== 'outage') return results
    // Its class settles the matter, whatever system error is among the causes.
    return [notDelivered(new RetryAfterError(describeError(result.error), { cause: result.error, retryAfter: 0 }))]
  }

  #blameLast(succeeded: string): void {
    if (this.#last === undefined || this.#last === succeeded || (this.#failed.get(this.#last) ?? 0) < TRIES) return
    this.#blamed.add(this.#last)
    const [oldest] = this.#blamed
    if (this.#blamed.size > MOST_BLAMED && oldest !== undefined) this.#blamed.delete(oldest)
  }

  /**
   * The first that no probe has failed with too often. One that may have killed its worker does not count: it would have to be
   * marked before it is sent, and a worker that ends during a long outage would cost it an attempt each time. Where only
   * such are left, the health check decides.
   */
  choose(buffer: SendBuffer): HeldEvent | undefined {
    const failures = ({ id }: HeldEvent): number => this.#failed.get(id) ?? 0
    return buffer.takeFirst((held) => !held.marked && failures(held) < TRIES)
  }
}
