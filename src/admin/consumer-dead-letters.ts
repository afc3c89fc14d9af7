import type { DeadLetter, DeadLetterPlace } from '../consumer/dead-letter-place.ts'
import { integer, text } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import type { ActedBy } from './actor.ts'
import type { Audit } from './audit-log.ts'

/** Which dead letters to list. */
export const LIST_DEAD_LETTERS = {
  /** At most this many, 1 to 100,000. Default 100. */
  limit: integer(100, { min: 1, max: 100_000 }),
  /** Goes on after the letter with this id. Default: from the oldest. */
  after: text(undefined),
}
/** Which dead letters to list. */
export type ListDeadLettersOptions = OptionsOf<typeof LIST_DEAD_LETTERS>

/** How long the broker may take for one call, in milliseconds. */
const PATIENCE = 30_000

/** The dead letters of one consumer. Its methods reject with an `OutageError` when the broker cannot be reached. */
export class ConsumerDeadLetters {
  readonly #place: DeadLetterPlace
  readonly #consumer: string
  readonly #audit: Audit

  constructor(place: DeadLetterPlace, consumer: string, audit: Audit) {
    this.#place = place
    this.#consumer = consumer
    this.#audit = audit
  }

  /** For messages: `rabbitmq billing.dead`. */
  get description(): string {
    return this.#place.description
  }

  /** The oldest first. Takes nothing away. `signal` ends the look; default: after 30 seconds. Throws `INVALID_OPTION`. */
  async list(options: ListDeadLettersOptions = {}, signal?: AbortSignal): Promise<readonly DeadLetter[]> {
    const page = readOptions('the list of dead letters', LIST_DEAD_LETTERS, options)
    return this.#place.list(page, signal ?? AbortSignal.timeout(PATIENCE))
  }

  /**
   * Hands the message to its consumer again, byte for byte, and takes the letter away; a crash between the two leaves both.
   * Resolves with false when there is no such letter (any more). `signal` ends the work; default: after 30 seconds.
   */
  requeue(id: string, signal?: AbortSignal, acted: ActedBy = {}): Promise<boolean> {
    return this.#audit.writeIfPossible(
      { what: 'requeue-dead-letter', target: { consumer: this.#consumer, ids: [id] }, ...acted },
      () => this.#place.requeue(id, signal ?? AbortSignal.timeout(PATIENCE)),
      (done) => ({ moved: done === true ? 1 : 0 }),
    )
  }

  /** Closes what it opened itself. Idempotent. */
  close(): Promise<void> {
    return this.#place.close()
  }
}
