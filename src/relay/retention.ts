import { Pause } from '../foundation/pause.ts'
import { Archive } from '../retention/archive.ts'
import { CleanUp } from '../retention/clean-up.ts'
import type { ResolvedRetention } from '../retention/retention-options.ts'
import { LONGEST_AGE, rulesOf } from '../retention/rules.ts'
import type { AdminStore } from '../store/admin-store.ts'
import type { AuditStore } from '../store/audit-store.ts'
import type { InboxStore } from '../store/inbox-store.ts'
import type { RetentionStore } from '../store/retention-store.ts'
import type { Duty } from './duty.ts'

/** Rows deleted in one statement, so that no clean-up holds locks or the event loop for long. */
const PRUNE_LIMIT = 1_000
/** A clean-up that deleted so many events is followed by another soon: more have become old meanwhile. */
const MANY = 10_000
/** How soon, in milliseconds. */
const SOON = 1_000

/** What retention deletes from. */
export interface Cleaned {
  readonly retention: RetentionStore
  readonly admin: Pick<AdminStore, 'list'>
  readonly inbox: Pick<InboxStore, 'prune'>
  readonly audit: Pick<AuditStore, 'prune'>
}

type CleanUpDuty = Pick<Duty, 'begin' | 'isOurs' | 'end'>

const ALONE: CleanUpDuty = { begin: async () => true, isOurs: true, end: async () => undefined }

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

/**
 * Deletes settled events and entries of the inbox and the audit past their time, in bounded batches, until `stop`. One worker at a time:
 * the others look again later, and one whose duty is over stops before its next statement.
 */
export class Retention {
  readonly #store: Cleaned
  readonly #options: ResolvedRetention
  readonly #report: RetentionReport
  readonly #events: CleanUp
  readonly #duty: CleanUpDuty
  readonly #pause = new Pause()
  #stopping = false
  /** The last clean-up had many to delete, and so will this one. */
  #isBehind = false

  /** `duty`: default: nobody else cleans up. */
  constructor(store: Cleaned, options: ResolvedRetention, report: RetentionReport, duty: CleanUpDuty = ALONE) {
    this.#duty = duty
    this.#store = store
    this.#options = options
    this.#report = report
    const { archive } = options
    const keep = archive === undefined ? undefined : new Archive(store.admin, archive)
    this.#events = new CleanUp(store.retention, rulesOf(options), keep, undefined, true)
  }

  /** Never rejects. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      let deleted = 0
      try {
        if (await this.#duty.begin()) deleted = await this.#cleanUp()
      } catch (error) {
        this.#report.onError(error)
      } finally {
        await this.#duty.end()
      }
      this.#isBehind = deleted >= MANY
      const { interval } = this.#options
      // At random, so that who had the duty last does not always have it next.
      const pause = (this.#isBehind ? Math.min(SOON, interval) : interval) * (0.5 + Math.random())
      if (!this.#stopping) await this.#pause.sleep(pause)
    }
  }

  /** Resolves with how many events it deleted. Rejects when a statement or the archive fails. */
  async #cleanUp(): Promise<number> {
    const start = performance.now()
    this.#report.onStarted()
    // First what needs no archive.
    const inbox = await this.#prune(this.#store.inbox, this.#options.inbox)
    // Also where entries stay for ever: what is kept for an undo does not.
    await this.#prune(this.#store.audit, this.#options.audit ?? LONGEST_AGE)
    const events = await this.#purge()
    if (this.#mayGoOn) this.#report.onFinished(events, inbox, performance.now() - start)
    return events
  }

  get #mayGoOn(): boolean {
    return !this.#stopping && this.#duty.isOurs
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }

  async #purge(): Promise<number> {
    let all = 0
    const onRemoved = (count: number): void => {
      all += count
      this.#report.onPurged(count)
    }
    await this.#events.run({ onRemoved, rest: (taken) => this.#rest(taken), mayGoOn: () => this.#mayGoOn })
    return all
  }

  async #prune(store: Cleaned['inbox' | 'audit'], age: number | null): Promise<number> {
    if (age === null) return 0
    let all = 0
    for (let goOn = this.#mayGoOn; goOn; ) {
      const start = performance.now()
      const count = await store.prune({ age: Math.min(age, LONGEST_AGE), limit: PRUNE_LIMIT })
      all += count
      goOn = count >= PRUNE_LIMIT && (await this.#rest(performance.now() - start))
    }
    return all
  }

  /**
   * As long as the statement took, so that the relay has the database for half of the time at least; where one clean-up follows the other, half as long: to
   * fall behind for good would cost it more. False: we are to stop, or another worker does it now.
   */
  async #rest(taken: number): Promise<boolean> {
    if (this.#mayGoOn) await this.#pause.sleep(this.#isBehind ? taken / 2 : taken)
    return this.#mayGoOn
  }
}
