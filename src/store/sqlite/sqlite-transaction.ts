import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { BroadcasterError } from '../../errors.ts'
import { type LentHandle, lentHandle } from '../lent-handle.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import type { Connection } from './connection.ts'
import { nodeSqliteTransaction } from './sync-transaction.ts'

/** What `store.transaction` passes to its callback; a `DatabaseSync` on which BEGIN was run fits as well. */
export type SqliteTransaction = Pick<DatabaseSync, 'isTransaction' | 'prepare' | 'exec'>

/**
 * A transaction on the store's own connection. It ends with the callback: the connection goes on to the next
 * transaction, where a late statement must not end up.
 */
export class TransactionHandle implements SqliteTransaction {
  readonly #connection: Connection
  readonly #ours: ReadonlySet<string>
  readonly #lent: LentHandle<StatementSync>[] = []
  #ended = false

  /** `ours` are the statements of publish, which stay prepared. */
  constructor(connection: Connection, ours: ReadonlySet<string>) {
    this.#connection = connection
    this.#ours = ours
  }

  get isTransaction(): boolean {
    return !this.#ended && this.#connection.isTransaction
  }

  /** Prepares a statement. Throws `TRANSACTION_ENDED`. */
  prepare(sql: string): StatementSync {
    this.check()
    if (this.#ours.has(sql)) return this.#connection.cached(sql)
    // A statement prepared in time must not write after the end either.
    const lent = lentHandle(this.#connection.prepare(sql))
    this.#lent.push(lent)
    return lent.handle
  }

  /** Runs statements without values or rows. Throws `TRANSACTION_ENDED`. */
  exec(sql: string): void {
    this.check()
    this.#connection.exec(sql)
  }

  /** Called by the store. */
  end(): void {
    this.#ended = true
    for (const lent of this.#lent) lent.end()
  }

  /** Throws `TRANSACTION_ENDED` after the callback. */
  check(): void {
    if (!this.#ended) return
    throw new BroadcasterError(
      'TRANSACTION_ENDED',
      'tx is a SQLite transaction that has ended; use it only inside the callback of store.transaction',
      { field: 'tx' },
    )
  }
}

/** The adapter of the store's own transactions, and of the application's `DatabaseSync`. */
export function sqliteTransaction(): TransactionAdapter<SqliteTransaction> {
  const adapter = nodeSqliteTransaction()
  return {
    ...adapter,
    check(tx) {
      if (tx instanceof TransactionHandle) tx.check()
      adapter.check(tx)
    },
  }
}
