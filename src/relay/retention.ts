import { duration, or } from '../foundation/option-kinds.ts'
import type { OptionsOf, ResolvedOf } from '../foundation/option-table.ts'
import { Pause } from '../foundation/pause.ts'
import type { AuditStore } from '../store/audit-store.ts'
import type { InboxStore } from '../store/inbox-store.ts'
import type { RetentionStore } from '../store/retention-store.ts'

const DAY = 24 * 60 * 60 * 1_000
const FROM_ZERO = { min: 0, max: Number.MAX_SAFE_INTEGER }

/** How long settled events are kept. */
export const RETENTION = {
  /**
   * Published events, in milliseconds; null = for ever. `'delete'` = not at all: what was delivered is deleted instead of being
   * marked, which costs the database least; it can then be neither listed nor replayed, and its id may be published again.
   * Default 604,800,000 (seven days).
   */
  published: or(duration(7 * DAY, FROM_ZERO), null, 'delete'),
  /** Failed and cancelled events, in milliseconds; null = for ever. Default 2,592,000,000 (thirty days). */
  failed: or(duration(30 * DAY, FROM_ZERO), null),
  /**
   * Inbox entries (`inbox.once`), since they were handled, in milliseconds; null = for ever. Default 2,592,000,000 (thirty
   * days).
   */
  inbox: or(duration(30 * DAY, FROM_ZERO), null),
  /** What operators did (`admin.audit`), in milliseconds; null = for ever. Default 31,536,000,000 (365 days). */
  audit: or(duration(365 * DAY, FROM_ZERO), null),
  /** The time between two clean-ups, in milliseconds. Default 60,000. */
  interval: duration(60_000, { min: 1, max: 86_400_000 }),
}
/** The same as an option of a worker. */
export type RetentionOptions = OptionsOf<typeof RETENTION>

/** Rows deleted in one statement, so that no clean-up holds locks or the event loop for long. */
const PURGE_LIMIT = 1_000

/** What retention deletes from. */
export interface Cleaned {
  readonly retention: RetentionStore
  readonly inbox: Pick<InboxStore, 'prune'>
  readonly audit: Pick<AuditStore, 'prune'>
}

/** What retention tells of its work. */
export interface RetentionReport {
  /** A clean-up begins. */
  onStarted(): void
  /** One statement deleted this many settled events. */
  onPurged(count: number): void
  /** Nothing expired is left: this many events and inbox entries were deleted, in this many ms. */
  onFinished(events: number, inbox: number, duration: number): void
  onError(error: unknown): void
}

/** Deletes settled events and inbox entries past their time, in bounded batches, until `stop`. */
export class Retention {
  readonly #store: Cleaned
  readonly #options: ResolvedOf<typeof RETENTION>
  readonly #report: RetentionReport
  readonly #pause = new Pause()
  #stopping = false

  constructor(store: Cleaned, options: ResolvedOf<typeof RETENTION>, report: RetentionReport) {
    this.#store = store
    this.#options = options
    this.#report = report
  }

  /** Never rejects. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      try {
        const start = performance.now()
        this.#report.onStarted()
        const events = await this.#purge()
        const inbox = await this.#prune(this.#store.inbox, this.#options.inbox)
        await this.#prune(this.#store.audit, this.#options.audit)
        if (!this.#stopping) this.#report.onFinished(events, inbox, performance.now() - start)
      } catch (error) {
        this.#report.onError(error)
      }
      // Several workers clean up at random times rather than all at once; a second one finds nothing to delete.
      await this.#pause.sleep(this.#options.interval * (0.5 + Math.random()))
    }
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }

  #purge(): Promise<number> {
    const { published, failed } = this.#options
    return this.#untilNone(async () => {
      // What another worker, or this one before its options changed, has kept.
      const publishedFor = published === 'delete' ? 0 : published
      const limits = { publishedFor, failedFor: failed, limit: PURGE_LIMIT }
      const count = await this.#store.retention.purge(limits)
      if (count > 0) this.#report.onPurged(count)
      return count
    })
  }

  async #prune(store: Cleaned['inbox' | 'audit'], age: number | null): Promise<number> {
    return age === null ? 0 : this.#untilNone(() => store.prune({ age, limit: PURGE_LIMIT }))
  }

  /** Calls it until it deletes less than it may; resolves with how many that were in all. */
  async #untilNone(remove: () => Promise<number>): Promise<number> {
    let all = 0
    let count = PURGE_LIMIT
    while (count >= PURGE_LIMIT && !this.#stopping) {
      count = await remove()
      all += count
    }
    return all
  }
}
