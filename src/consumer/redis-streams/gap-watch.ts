import { BroadcasterError } from '../../errors.ts'
import type { SubscriptionContext } from '../subscription.ts'

/** How often a reader that lags looks whether it was overtaken, in milliseconds. */
const INTERVAL = 1_000

/** Tells of entries that were trimmed before the group was given them, each gap once. */
export class GapWatch {
  readonly #stream: string
  readonly #missed: () => Promise<number | undefined>
  #onGap: SubscriptionContext['onGap']
  /** What was missed when we looked last, and when that was. */
  #before = 0
  #looked = Number.NEGATIVE_INFINITY

  /** `missed`: how many entries the group has missed; undefined = not known. */
  constructor(stream: string, missed: () => Promise<number | undefined>) {
    this.#stream = stream
    this.#missed = missed
  }

  begin(onGap: SubscriptionContext['onGap']): void {
    this.#onGap = onGap
  }

  /** For one that lags and reads often. */
  async lookNowAndThen(): Promise<void> {
    if (performance.now() - this.#looked > INTERVAL) await this.look()
  }

  /** Never rejects: a user may lack the right to look. */
  async look(): Promise<void> {
    if (this.#onGap === undefined) return
    this.#looked = performance.now()
    const missed = await this.#missed().catch(() => undefined)
    if (missed === undefined) return
    const count = missed - this.#before
    this.#before = missed
    if (count <= 0) return
    const message = `the stream '${this.#stream}' was trimmed before this group had read it: ${count} entries are gone; trim it with trim: 'acknowledged', or keep more`
    this.#onGap(new BroadcasterError('MESSAGES_MISSED', message, { field: 'trim', value: count }))
  }
}
