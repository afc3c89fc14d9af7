import { createHash } from 'node:crypto'
import { BroadcasterError } from '../errors.ts'
import { unknownKeys } from '../options.ts'
import { throwProblems } from '../problem.ts'
import type { InboxEntry } from '../store/inbox-store.ts'
import type { Store } from '../store/store.ts'
import { tellingAdapter } from '../store/telling-adapter.ts'
import type { TransactionAdapter } from '../store/transaction-adapter.ts'

/** What an inbox is made of. */
export interface InboxOptions<StoreTx = unknown, Tx = StoreTx> {
  /** The database of the consumer: the inbox is a table beside the outbox, made by `migrate`. */
  readonly store: Store<StoreTx>
  /** How to write inside your own transactions. Default: the store's own client. */
  readonly transaction?: TransactionAdapter<Tx>
}

/** What identifies an event: CloudEvents section 3.1, `source` and `id` together. */
export interface IdentifiedEvent {
  readonly source: string
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
  readonly #store: Store
  readonly #adapter: TransactionAdapter<Tx>

  /** Throws `INVALID_OPTION` or `ADAPTER_MISMATCH`. Opens nothing. */
  constructor(options: InboxOptions<Tx>)
  constructor(options: InboxOptions<unknown, Tx> & { readonly transaction: TransactionAdapter<Tx> })
  constructor(options: InboxOptions<unknown, Tx>) {
    throwProblems('the Inbox', unknownKeys('Inbox', options, ['store', 'transaction']))
    if (typeof options.store !== 'object') {
      throw new BroadcasterError('INVALID_OPTION', 'the Inbox is refused: store is missing; give the database', {
        field: 'store',
        value: options.store,
      })
    }
    this.#store = options.store
    // Without an adapter of the caller's, Tx is the store's own transaction type.
    const adapter = options.transaction ?? (options.store.transactionAdapter as unknown as TransactionAdapter<Tx>)
    this.#adapter = tellingAdapter(adapter, options.store.inbox?.isThere)
    const { dialect } = options.store
    if (this.#adapter.dialect !== dialect) {
      throw new BroadcasterError(
        'ADAPTER_MISMATCH',
        `the inbox is in a ${dialect} store, and its transactions (${this.#adapter.name}) speak ${this.#adapter.dialect}`,
        { field: 'transaction', value: this.#adapter.name },
      )
    }
  }

  /**
   * To be awaited before work begins: throws `SCHEMA_MISSING`, `SCHEMA_OUTDATED` or `SCHEMA_TOO_NEW` unless the inbox is in
   * the database, `STORE_UNAVAILABLE` when that is away.
   */
  async check(): Promise<void> {
    await this.#store.schema.check()
  }

  /**
   * Runs `handle` unless this consumer has handled the event: resolves with true when it ran. The event counts as
   * handled when `tx`, your own open transaction, commits. While another transaction handles the same event this one
   * waits for it, and then skips if that committed, or runs if it rolled back. What `handle` throws is passed on; roll
   * back then, or the event may be handled again while its half-done effects stand.
   *
   * `consumer`: who handles, 1 to 100 characters that stay the same for ever. Throws `INVALID_OPTION`, `INVALID_EVENT`,
   * `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED` before anything is written; the last two also after
   * `handle`, when the database has rolled back meanwhile, though `handle` caught the error: its event is not handled.
   */
  async once(tx: Tx, consumer: string, event: IdentifiedEvent, handle: () => unknown): Promise<boolean> {
    const entry = entryOf(consumer, event)
    this.#adapter.check(tx)
    const { inbox } = this.#store
    let returned = await this.#adapter.execute(tx, inbox.enter(entry))
    if (returned.length === 0 && inbox.readBack) returned = await this.#adapter.execute(tx, inbox.readBack(entry))
    if (!inbox.entered(returned)) return false
    try {
      await handle()
    } catch (error) {
      // For who catches it and commits. On a transaction that is broken this fails, and so will its commit.
      await this.#adapter.execute(tx, inbox.withdraw(entry)).catch(() => undefined)
      throw error
    }
    await this.#requireEntered(tx, entry)
    return true
  }

  /** `once` without a promise, for synchronous libraries (`node:sqlite`, better-sqlite3). `handle` must be synchronous. */
  onceSync(tx: Tx, consumer: string, event: IdentifiedEvent, handle: () => unknown): boolean {
    const execute = this.#adapter.executeSync?.bind(this.#adapter)
    if (!execute) {
      const { name } = this.#adapter
      throw new BroadcasterError('INVALID_OPTION', `onceSync needs a synchronous library; with ${name} use once`)
    }
    const entry = entryOf(consumer, event)
    this.#adapter.check(tx)
    const { inbox } = this.#store
    if (!inbox.entered(execute(tx, inbox.enter(entry)))) return false
    const withdraw = (error: unknown): never => {
      try {
        execute(tx, inbox.withdraw(entry))
      } catch {
        // As above.
      }
      throw error
    }
    let result: unknown
    try {
      result = handle()
    } catch (error) {
      return withdraw(error)
    }
    if (result instanceof Promise) {
      result.catch(() => undefined)
      withdraw(new BroadcasterError('INVALID_OPTION', 'the handler of onceSync returned a promise; use once'))
    }
    this.#adapter.check(tx)
    return true
  }

  /**
   * The handler may have caught an error with which the database rolled the transaction back, and then COMMIT succeeds on
   * PostgreSQL and MySQL. The entry is what tells: it stands there as long as the effects before it do.
   */
  async #requireEntered(tx: Tx, entry: InboxEntry): Promise<void> {
    this.#adapter.check(tx)
    const { inbox } = this.#store
    if (!inbox.find || this.#adapter.isIntact?.(tx)) return
    const found = await this.#adapter.execute(tx, inbox.find(entry), 'reads')
    if (found.length > 0) return
    throw new BroadcasterError(
      'TRANSACTION_ABORTED',
      'the transaction of the event was rolled back while its handler ran, by a deadlock or by the handler itself, though it returned; let it throw the errors of the database',
      { field: 'tx' },
    )
  }

  /**
   * Forgets, when `tx` commits, that this consumer has handled the event: it may be handled again. Throws as `once` does.
   */
  async forget(tx: Tx, consumer: string, event: IdentifiedEvent): Promise<void> {
    const entry = entryOf(consumer, event)
    this.#adapter.check(tx)
    await this.#adapter.execute(tx, this.#store.inbox.withdraw(entry))
  }

  /**
   * Deletes at most `limit` (default 1,000) entries older than `age` ms (default 30 days); resolves with their number.
   * Workers and consumers do so by themselves. An event that comes again after that is handled again.
   */
  prune({
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
      return Promise.reject(new BroadcasterError('INVALID_OPTION', message, { field, value }))
    }
    return this.#store.inbox.prune({ age, limit: Math.floor(limit) })
  }
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

/** What stands before the hash of an attribute. */
const HASHED = 'sha-256:'

/** Senders may use attributes of any length; what no column holds stands there as its hash. */
function short(text: string): string {
  // A database counts characters, JavaScript counts UTF-16 units: never fewer. PostgreSQL takes no NUL.
  // What looks like such a hash is hashed, too, or it would stand for another event.
  if (text.length <= MOST && !text.includes('\0') && !text.startsWith(HASHED)) return text
  return HASHED + createHash('sha256').update(text).digest('hex')
}
