import { notDelivered, type SendResult } from '../backend/backend.ts'
import { checkHealth } from '../backend/check-health.ts'
import { classifySendError, RetryAfterError } from '../backend/send-error.ts'
import { describeError } from '../foundation/describe-error.ts'
import type { FetchedRow } from '../store/relay-store.ts'
import type { Breaker } from './breaker.ts'
import type { Conclusion } from './conclusion.ts'
import type { CycleOptions } from './cycle-options.ts'
import type { HeldEvent } from './held-event.ts'
import type { LaneReader } from './lane-reader.ts'
import type { SendAnswer } from './outcomes.ts'
import type { SendBuffer } from './send-buffer.ts'
import type { SendTurns } from './send-turns.ts'

export interface ProberParts {
  readonly options: CycleOptions
  readonly breaker: Breaker
  readonly reader: LaneReader
  readonly buffer: SendBuffer
  readonly conclusion: Conclusion
  readonly turns: SendTurns
  readonly accept: (row: FetchedRow, suspect: boolean) => void
  /** Sends in a turn that has begun. */
  readonly send: (batch: readonly HeldEvent[]) => Promise<SendAnswer>
}

/** Events read for a probe, of which one is sent: the oldest may be the very one that is refused. */
const CANDIDATES = 20
/** After this many probes with one event another is tried, where there is one. */
const TRIES = 2
/** Events remembered that are to blame themselves. */
const MOST_BLAMED = 1_000

/** While the breaker is open: tries with one event, or by the health check, whether the backend is up again. */
export class Prober {
  readonly #parts: ProberParts
  /** Probes that failed since the backend was last up, by event. */
  readonly #failed = new Map<string, number>()
  /** The event of the last probe. */
  #last: string | undefined
  /** Events that were refused twice when the next one was taken: the backend is up, and refuses them. */
  readonly #blamed = new Set<string>()

  constructor(parts: ProberParts) {
    this.#parts = parts
  }

  /** Probes, if it is due and no other worker does. Resolves with whether the backend is up. */
  async probe(): Promise<boolean> {
    const { options, breaker, reader, conclusion, turns, send } = this.#parts
    const { backend, timeout } = options
    if (!(await breaker.tryProbe(timeout))) return false
    reader.rewind()
    await reader.read(CANDIDATES, this.#parts.accept)
    const event = this.#choose()
    conclusion.giveBackWhere(() => true)
    if (event === undefined) {
      const health = await checkHealth(backend, timeout)
      if (!health.healthy) await breaker.probeFailed(health.detail ?? 'not healthy', 0)
      return this.#conclude(health.healthy)
    }
    await turns.wait()
    const isUp = (await send([event])) === 'up'
    if (isUp) this.#blameLast(event.id)
    else this.#failed.set(event.id, (this.#failed.get(event.id) ?? 0) + 1)
    this.#last = event.id
    if (!isUp) conclusion.giveBackWhere(() => true)
    return this.#conclude(isUp)
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

  #conclude(isUp: boolean): boolean {
    if (isUp) this.#failed.clear()
    if (isUp) this.#last = undefined
    return isUp
  }

  /**
   * The first that no probe has failed with too often. One that may have killed its worker does not count: it would have to be
   * marked before it is sent, and a worker that ends during a long outage would cost it an attempt each time. Where only
   * such are left, the health check decides.
   */
  #choose(): HeldEvent | undefined {
    const failures = ({ id }: HeldEvent): number => this.#failed.get(id) ?? 0
    return this.#parts.buffer.takeFirst((held) => !held.marked && failures(held) < TRIES)
  }
}
