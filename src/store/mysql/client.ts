import type { Sql } from './sql.ts'

/** A row by column name: text and numbers as the client reads them, bytes as a Buffer. */
export type RawRow = Readonly<Record<string, unknown>>

/** What runs statements: the pool, or a transaction on one of its connections. */
export interface Runs {
  /** The rows of a SELECT. */
  query(statement: Sql): Promise<readonly RawRow[]>
  /** The number of rows that a write found. */
  run(statement: Sql): Promise<number>
}

/**
 * What the store needs of a client library. Statements by themselves leave no session state, so connections may be
 * shared with the application. Every write is at READ COMMITTED, whatever the session's default: at REPEATABLE READ a
 * search locks the gaps that it passed, and inserts would wait for it.
 */
export interface Client extends Runs {
  /** Runs `work` in a transaction; rolls back when it throws. */
  transaction<T>(work: (tx: ClientTransaction) => Promise<T>): Promise<T>
  /** The same on one connection without a transaction, for what holds a lock of the session. */
  session<T>(work: (session: Runs) => Promise<T>): Promise<T>
  /** Closes what the store opened. Idempotent. */
  close(): Promise<void>
}

export interface ClientTransaction extends Runs {
  /** The library's own transaction, for user code. */
  readonly native: unknown
  /**
   * To be asked after user code: throws `TRANSACTION_ENDED` when the transaction is over, by a DDL statement or by a
   * deadlock whose error was caught. What is written after that would commit by itself.
   */
  assertOpen(): Promise<void>
}
