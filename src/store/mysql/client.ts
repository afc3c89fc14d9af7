import type { StoreClients } from '../clients.ts'
import type { Sql } from './sql.ts'

/** A row by column name: text and numbers as the client reads them, bytes as a Buffer. */
export type RawRow = Readonly<Record<string, unknown>>

/** What runs statements: the pool, or a transaction on one of its connections. */
export interface Runs {
  /** The rows of a SELECT. */
  query(statement: Sql): Promise<readonly RawRow[]>
  /** The number of rows that a write matched. */
  run(statement: Sql): Promise<number>
}

/**
 * What the store needs of a client library. Single statements leave no session state, so connections may be shared with
 * the application. Every write is at READ COMMITTED, whatever the session's default: at REPEATABLE READ a search locks
 * the gaps that it passes, and inserts would wait for it.
 */
export interface Client extends Runs {
  /** Runs our own statements in a transaction, within limits; rolls back when `work` throws. */
  transaction<T>(work: (tx: Runs) => Promise<T>): Promise<T>
  /** Runs queries, within limits, that all see one state of the database and cannot write. */
  snapshot<T>(work: (tx: Runs) => Promise<T>): Promise<T>
  /** Like `transaction`, on one connection without a transaction or limits, for work under a session lock. */
  session<T>(work: (session: Runs) => Promise<T>): Promise<T>
}

export type Clients = StoreClients<Client, Runs>
