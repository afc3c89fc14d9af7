import type { Dialect, Row, Statement } from './statement.ts'

/** What a statement does: one that only `reads` does no harm where the transaction has ended, and finds out. */
export type Effect = 'reads' | 'writes'

/**
 * Runs our statements inside the caller's own transaction. It never begins, commits, rolls back or closes anything.
 * `Tx` is the library's transaction type, narrow enough that a pool or plain connection does not compile.
 */
export interface TransactionAdapter<Tx> {
  /** The library, for error messages: `pg`, `drizzle`. */
  readonly name: string
  /** What the transaction speaks; must be the store's own dialect. */
  readonly dialect: Dialect
  /**
   * Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED` when `tx` is not an open transaction,
   * as far as the library lets us see it without a round trip.
   */
  check(tx: Tx): void
  /**
   * Runs one statement on the transaction and resolves with its rows. One that only reads may go without asking the
   * server first whether the transaction is still open.
   */
  execute(tx: Tx, statement: Statement, effect?: Effect): Promise<readonly Row[]>
  /** The same without a promise, where the library is synchronous. Needed for `publishSync`. */
  executeSync?(tx: Tx, statement: Statement): readonly Row[]
  /**
   * True where the library itself knows, now and without a round trip, that `tx` is open and that no error has aborted it.
   * Left out, or false: the server has to be asked.
   */
  isIntact?(tx: Tx): boolean
}
