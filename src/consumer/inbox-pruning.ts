import type { Inbox } from '../inbox/inbox.ts'
import { Pause } from '../pause.ts'

/** Time between two clean-ups, in milliseconds; several consumers come at random times. */
const INTERVAL = 60_000
/** Entries deleted in one statement. */
const BATCH = 1_000

/** Deletes old inbox entries, in bounded batches, until `stop`. */
export class InboxPruning {
  readonly #inbox: Pick<Inbox, 'prune'>
  readonly #age: number
  readonly #onError: (error: unknown) => void
  readonly #pause = new Pause()
  #stopping = false

  /** `age` in milliseconds. */
  constructor(inbox: Pick<Inbox, 'prune'>, age: number, onError: (error: unknown) => void) {
    this.#inbox = inbox
    this.#age = age
    this.#onError = onError
  }

  /** Never rejects. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      await this.#pause.sleep(INTERVAL * (0.5 + Math.random()))
      try {
        let deleted = BATCH
        while (deleted >= BATCH && !this.#stopping) {
          deleted = await this.#inbox.prune({ age: this.#age, limit: BATCH })
        }
      } catch (error) {
        this.#onError(error)
      }
    }
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }
}
