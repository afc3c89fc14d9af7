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
  /** Runs statements of our own in a transaction, within limits; rolls back when `work` throws. */
  transaction<T>(work: (tx: Runs) => Promise<T>): Promise<T>
  /** The same on one connection without a transaction or limits, for what holds a lock of the session. */
  session<T>(work: (session: Runs) => Promise<T>): Promise<T>
}

/** What runs the code of others in a transaction. */
export interface Lender {
  /**
   * Runs `work` in a transaction, with no limits on what it does; rolls back when it throws. The handle in it refuses once
   * `work` has ended, and the connection is destroyed when something that was asked through it is still under way.
   */
  lend<T>(work: (tx: LentTransaction) => Promise<T>): Promise<T>
}

export interface LentTransaction {
  /** The library's own transaction, for user code. */
  readonly native: unknown
  /**
   * From now on `native` refuses. For statements of ours within limits, after user code. Throws `TRANSACTION_ENDED` when the
   * transaction is over, by a DDL statement or by a deadlock whose error was caught: what is written then would commit by
   * itself.
   */
  conclude<T>(settle: (tx: Runs) => Promise<T>): Promise<T>
}

/** The clients of a store, each with the limits of its use. */
export interface Clients {
  readonly worker: Client
  readonly heartbeat: Client
  readonly operator: Client
  readonly migration: Client
  /** For transactional handlers. */
  readonly handlers: Lender
  /** For transactions that the application begins. */
  readonly application: Lender
  /** Closes what the store opened. Idempotent. */
  close(): Promise<void>
}
