import { createHash } from 'node:crypto'
import { BroadcasterError } from '../errors.ts'
import { having, option, required } from '../foundation/option-kinds.ts'
import { readOptions } from '../foundation/option-table.ts'
import type { InboxEntry } from '../store/inbox-store.ts'
import { settled, type WaitingProgram } from '../store/program.ts'
import { ProgramRunner } from '../store/program-runner.ts'
import type { Store } from '../store/store.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'

/** What an inbox is made of. */
export interface InboxOptions<StoreTx = unknown, Tx = StoreTx> {
  /** The database of the consumer: the inbox is a table beside the outbox, made by `migrate`. */
  readonly store: Store<StoreTx>
  /** How to write inside your own transactions. Default: the store's own client. */
  readonly transaction?: TransactionAdapter<Tx> | undefined
}

const INBOX = {
  store: required(
    option<Store, Store | undefined>('the database, such as postgres({ pool })', undefined, (value) => {
      return typeof value === 'object' && value !== null
    }),
  ),
  transaction: having<TransactionAdapter<unknown>>('a transaction adapter, or leave it out', 'check', 'execute'),
}

/** What identifies an event: CloudEvents section 3.1, `source` and `id` together. */
export interface IdentifiedEvent {
  /** CloudEvents `source`, at most 255 characters. */
  readonly source: string
  /** CloudEvents `id`, at most 255 characters. */
  readonly id: string
}

const DEFAULT_AGE = 30 * 24 * 60 * 60 * 1_000
/** What the columns hold. */
const MOST_CONSUMER = 100
const MOST = 255

/**
 * Handles each event once: remembers, in the consumer's own transaction, what was handled. The effects of a handler
 * and the memory of it commit together or not at all.
 *
 * @example
 * await db.transaction(async (tx) => {
 *   await inbox.once(tx, 'billing', event, async () => {
 *     await tx.query('INSERT INTO invoices ...')
 *   })
 * })
 */
export class Inbox<Tx = unknown> {
  /** The store's description: which database it is in. */
  readonly description: string
  readonly #store: Store
  readonly #runner: ProgramRunner<Tx>

  /** Throws `INVALID_OPTION` or `ADAPTER_MISMATCH`. Opens nothing. */
  constructor(options: InboxOptions<Tx>)
  constructor(options: InboxOptions<unknown, Tx> & { readonly transaction: TransactionAdapter<Tx> })
  constructor(options: InboxOptions<unknown, Tx>) {
    const { store, transaction } = readOptions('the Inbox', INBOX, options)
    this.#store = store
    this.description = store.description
    // Without an adapter of the caller's, Tx is the store's own transaction type.
    const adapter = (transaction ?? store.transactionAdapter) as unknown as TransactionAdapter<Tx>
    this.#runner = new ProgramRunner(adapter, store.dialect)
  }

  /**
   * Await it before work begins: rejects with `SCHEMA_MISSING`, `SCHEMA_OUTDATED` or `SCHEMA_TOO_NEW` unless the inbox
   * is in the database, with `STORE_UNAVAILABLE` when that is down.
   */
  async check(): Promise<void> {
    await this.#store.schema.check()
  }

  /**
   * Runs `handle` unless this consumer has handled the event: resolves with true when it ran. The event counts as
   * handled when `tx`, your own open transaction, commits. While another transaction handles the same event this one
   * waits for it, and then skips if that committed, or runs if it rolled back. What `handle` throws is passed on; roll
   * back then, or the event may be handled again although its half-done effects remain.
   *
   * `consumer`: who handles, 1 to 100 characters that stay the same for ever. Throws `INVALID_OPTION`, `INVALID_EVENT`,
   * `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED` before anything is written; the last two also
   * after `handle`, when the database rolled back during it and `handle` caught the error: the event is then not
   * handled.
   */
  once(tx: Tx, consumer: string, event: IdentifiedEvent, handle: () => unknown): Promise<boolean> {
    return this.#runner.run(tx, this.#once(tx, consumer, event, handle))
  }

  /** `once` for synchronous libraries (`node:sqlite`, better-sqlite3); `handle` must be synchronous too. */
  onceSync(tx: Tx, consumer: string, event: IdentifiedEvent, handle: () => unknown): boolean {
    return this.#runner.runSync('onceSync', tx, this.#once(tx, consumer, event, handle))
  }

  *#once(tx: Tx, consumer: string, event: IdentifiedEvent, handle: () => unknown): WaitingProgram<boolean> {
    const entry = entryOf(consumer, event)
    const { inbox } = this.#store
    if (!(yield* inbox.enter(entry))) return false
    try {
      yield* settled([handle()], returnedPromise)
    } catch (error) {
      // For a caller that catches the error and commits. On a broken transaction this fails, and so will the commit.
      try {
        yield* inbox.withdraw(entry)
      } catch {}
      throw error
    }
    this.#runner.check(tx)
    // The handler may have caught an error with which the database rolled the transaction back; COMMIT then still
    // succeeds on PostgreSQL and MySQL. The entry is the proof: it stands exactly as long as the effects beside it.
    if (!inbox.find || this.#runner.isIntact(tx) || (yield* inbox.find(entry))) return true
    throw new BroadcasterError(
      'TRANSACTION_ABORTED',
      'the transaction of the event was rolled back while its handler ran, by a deadlock or by the handler itself, though it returned; let it throw the errors of the database',
      { field: 'tx' },
    )
  }

  /**
   * Forgets, when `tx` commits, that this consumer has handled the event: it may be handled again. Throws as `once`
   * does.
   */
  async forget(tx: Tx, consumer: string, event: IdentifiedEvent): Promise<void> {
    await this.#runner.run(tx, this.#store.inbox.withdraw(entryOf(consumer, event)))
  }

  /**
   * Deletes at most `limit` (default 1,000) entries older than `age` ms (default 30 days); resolves with their number.
   * Workers and consumers do so by themselves. An event that comes again after that is handled again.
   */
  async prune({
    age = DEFAULT_AGE,
    limit = 1_000,
  }: {
    readonly age?: number
    readonly limit?: number
  } = {}): Promise<number> {
    const wrong = Object.entries({ age, limit }).find(([, value]) => !(Number.isFinite(value) && value >= 0))
    if (wrong) {
      const [field, value] = wrong
      const message = `inbox.prune is refused: ${field} is ${value}; give a number, 0 or more`
      throw new BroadcasterError('INVALID_OPTION', message, { field, value })
    }
    return this.#store.inbox.prune({ age, limit: Math.floor(limit) })
  }
}

function returnedPromise(): BroadcasterError {
  return new BroadcasterError('INVALID_OPTION', 'the handler of onceSync returned a promise; use once')
}

function entryOf(consumer: string, { source, id }: IdentifiedEvent): InboxEntry {
  if (typeof consumer !== 'string' || consumer === '' || consumer.length > MOST_CONSUMER) {
    const message = `consumer is ${JSON.stringify(consumer)}; give 1 to ${MOST_CONSUMER} characters`
    throw new BroadcasterError('INVALID_OPTION', message, { field: 'consumer', value: consumer })
  }
  for (const [field, value] of Object.entries({ source, id })) {
    if (typeof value === 'string' && value !== '') continue
    throw new BroadcasterError('INVALID_EVENT', `the event's ${field} is ${JSON.stringify(value)}; give text`, {
      field,
      value,
    })
  }
  return { consumer, source: short(source), eventId: short(id) }
}

/** The prefix of the hash of an attribute. */
const HASHED = 'sha-256:'

/** Senders may use attributes of any length; what does not fit the column is stored as its hash. */
function short(text: string): string {
  // A database counts characters, JavaScript UTF-16 units, which are never fewer. PostgreSQL takes no NUL. What looks
  // like such a hash is hashed too, or it would stand for another event.
  if (text.length <= MOST && !text.includes('\0') && !text.startsWith(HASHED)) return text
  return HASHED + createHash('sha256').update(text).digest('hex')
}
