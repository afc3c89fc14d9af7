import { Pause } from '../pause.ts'
import type { InboxStore } from '../store/inbox-store.ts'
import type { RelayStore } from '../store/relay-store.ts'

/** How long settled events are kept; all in milliseconds. */
export interface RetentionOptions {
  /** Published events; null = for ever. Default seven days. */
  readonly published?: number | null
  /** Failed and cancelled events; null = for ever. Default thirty days. */
  readonly failed?: number | null
  /** Inbox entries (`inbox.once`), since they were handled; null = for ever. Default thirty days. */
  readonly inbox?: number | null
  /** Time between two clean-ups. Default one minute. */
  readonly interval?: number
}

const DAY = 24 * 60 * 60 * 1_000
/** Rows deleted in one statement, so that no clean-up holds locks or the event loop for long. */
const PURGE_LIMIT = 1_000

/** What retention deletes from. */
export interface RetentionStore {
  readonly relay: Pick<RelayStore, 'purge'>
  readonly inbox: Pick<InboxStore, 'prune'>
}

/** Deletes settled events and inbox entries past their time, in bounded batches, until `stop`. */
export class Retention {
  readonly #store: RetentionStore
  readonly #options: Required<RetentionOptions>
  readonly #onPurged: (count: number) => void
  readonly #onError: (error: unknown) => void
  readonly #pause = new Pause()
  #stopping = false

  constructor(
    store: RetentionStore,
    options: RetentionOptions,
    onPurged: (count: number) => void,
    onError: (error: unknown) => void,
  ) {
    this.#store = store
    this.#options = { published: 7 * DAY, failed: 30 * DAY, inbox: 30 * DAY, interval: 60_000, ...options }
    this.#onPurged = onPurged
    this.#onError = onError
  }

  /** Never rejects. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#purge()
        await this.#pruneInbox()
      } catch (error) {
        this.#onError(error)
      }
      // Several workers clean up at random times rather than all at once; a second one finds nothing to delete.
      await this.#pause.sleep(this.#options.interval * (0.5 + Math.random()))
    }
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }

  async #purge(): Promise<void> {
    const { published, failed } = this.#options
    let count = PURGE_LIMIT
    while (count >= PURGE_LIMIT && !this.#stopping) {
      count = await this.#store.relay.purge({ publishedFor: published, failedFor: failed, limit: PURGE_LIMIT })
      if (count > 0) this.#onPurged(count)
    }
  }

  async #pruneInbox(): Promise<void> {
    const { inbox: age } = this.#options
    if (age === null) return
    let count = PURGE_LIMIT
    while (count >= PURGE_LIMIT && !this.#stopping) {
      count = await this.#store.inbox.prune({ age, limit: PURGE_LIMIT })
    }
  }
}
