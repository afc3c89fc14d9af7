import { settles } from '../foundation/waiting.ts'
import type { AdminStore } from '../store/admin-store.ts'
import type { OutboxLook } from '../store/outbox-look.ts'

/** What a look at the database saw. */
export interface Seen {
  readonly look: OutboxLook
  /** How long it took, in milliseconds. */
  readonly duration: number
  /** Milliseconds by which the database's clock is ahead of this host's; wrong by `duration` at most. */
  readonly clockAhead: number
}

/** Durations are in milliseconds. */
export interface StoreLookOptions {
  /** How old a reused answer may be. */
  readonly maxAge: number
  /** How long a caller waits. */
  readonly timeout: number
}

/**
 * Queries the database for all callers: one query at a time, and its answer, or the lack of one, serves all for
 * `maxAge`. While a query hangs no other starts, and callers get no answer.
 */
export class StoreLook {
  readonly #look: AdminStore['look']
  readonly #options: StoreLookOptions
  #last: { readonly at: number; readonly seen: Seen | undefined } | undefined
  #running: { readonly since: number; readonly look: Promise<void> } | undefined
  #clockAhead = 0

  constructor(look: AdminStore['look'], options: StoreLookOptions) {
    this.#look = look
    this.#options = options
  }

  /** As the last successful look saw it; 0 = there was none. */
  get clockAhead(): number {
    return this.#clockAhead
  }

  /** Resolves to undefined when the database did not answer, or not in time. Never rejects. */
  async seen(): Promise<Seen | undefined> {
    const { maxAge, timeout } = this.#options
    const fresh = (): boolean => this.#last !== undefined && performance.now() - this.#last.at <= maxAge
    if (fresh()) return this.#last?.seen
    this.#running ??= { since: performance.now(), look: this.#start() }
    const { since, look } = this.#running
    const left = Math.max(0, timeout - (performance.now() - since))
    return (await settles(look, { timeout: left })) ? this.#last?.seen : undefined
  }

  async #start(): Promise<void> {
    const before = Date.now()
    const start = performance.now()
    let seen: Seen | undefined
    try {
      // After `#running` is set, or a look that throws at once would leave it set for good.
      const look = await Promise.resolve().then(() => this.#look())
      const duration = performance.now() - start
      // The database read its clock between the two.
      seen = { look, duration, clockAhead: look.now.getTime() - (before + duration / 2) }
      this.#clockAhead = seen.clockAhead
    } catch {
      // The missing answer says so. Those who work with the database report why.
    }
    this.#last = { at: performance.now(), seen }
    this.#running = undefined
  }
}
