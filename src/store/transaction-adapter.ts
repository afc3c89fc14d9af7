import type { Dialect, Row, Statement } from './statement.ts'

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
   * Throws `NOT_A_TRANSACTION`, `TRANSACTION_ENDED` or `TRANSACTION_ABORTED` when `tx` is not an open transaction, as
   * far as the library can tell without a round trip.
   */
  check(tx: Tx): void
  /** Runs one statement on the transaction and resolves with its rows. */
  execute(tx: Tx, statement: Statement): Promise<readonly Row[]>
  /** The synchronous form, where the library is synchronous. Needed for `publishSync`. */
  executeSync?(tx: Tx, statement: Statement): readonly Row[]
  /**
   * True where the library itself knows, without a round trip, that `tx` is open and not aborted. Left out, or false:
   * the server has to be asked.
   */
  isIntact?(tx: Tx): boolean
}
