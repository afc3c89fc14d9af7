import type { InsertedRow, NewOutboxEvent, OutboxEventColumns } from '../record/columns.ts'
import type { AdminStore } from './admin-store.ts'
import type { CaptureOptions } from './capture.ts'
import type { CoordinationStore } from './coordination-store.ts'
import type { InboxStore } from './inbox-store.ts'
import type { Inspection } from './inspection.ts'
import type { RelayStore } from './relay-store.ts'
import type { Dialect, Row, Statement } from './statement.ts'
import type { TransactionAdapter } from './transaction-adapter.ts'

/**
 * The database that holds the outbox, as narrow interfaces by consumer. `Tx` is the native transaction of the client
 * it was made with. Every instant in it is the database's own; callers pass durations.
 */
export interface Store<Tx = unknown> {
  readonly dialect: Dialect
  /** For messages: `postgres outbox_events`. */
  readonly description: string
  /** For messages: host and database, `127.0.0.1:5432/shop`, as far as the options tell. Never a user or a password. */
  readonly place?: string
  /** The adapter of the store's own client; used when a Broadcaster is given no other. */
  readonly transactionAdapter: TransactionAdapter<Tx>
  readonly publish: PublishStore
  readonly relay: RelayStore
  readonly coordination: CoordinationStore
  readonly admin: AdminStore
  readonly inbox: InboxStore
  readonly schema: SchemaStore
  /** Runs `work` in a transaction of the store's own: committed when it resolves, rolled back when it throws. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** Closes what the store itself opened, and nothing that was injected. Idempotent. */
  close(): Promise<void>
  /** How long one of its statements takes at most, in milliseconds, when it has a limit of its own. */
  readonly statementTimeout?: number
  /** Tells of commits by other processes. Optional: without it relays poll. */
  readonly wake?: WakeStore
}

/** What `publish` needs: statements to run on the caller's transaction. */
export interface PublishStore {
  /**
   * Inserts all rows with one statement. A row whose (source, event id, backend) or id exists already is left out
   * of the rows it returns.
   */
  insert(rows: readonly NewOutboxEvent[]): Statement
  /**
   * Where an insert that waits locks the gap beside what it waits for (InnoDB): a text that sorts as the index does, so that
   * whoever holds that goes on above the gap. Default: by source, id and backend.
   */
  insertOrder?(row: NewOutboxEvent): string
  /** Rows that one `insert` takes, at most. Default: any number. */
  readonly rowsPerInsert?: number
  /** Bytes of data that one `insert` takes, about; more than one row only. Default: any number. */
  readonly bytesPerInsert?: number
  /**
   * Where an insert that meets a stored event locks more than that event (InnoDB: the gap beside it): selects without
   * a lock which of these rows are stored already, to be left out of the insert. Undefined: none of them can be.
   */
  findStored?(rows: readonly NewOutboxEvent[]): Statement | undefined
  /** Reads what `findStored` returned: those of the rows that are not stored. */
  notStored?(rows: readonly NewOutboxEvent[], found: readonly Row[]): readonly NewOutboxEvent[]
  /**
   * Where the database's INSERT cannot return rows (MySQL): selects those that an `insert` of these rows added, to be
   * run after one that returned none.
   */
  readBack?(rows: readonly NewOutboxEvent[]): Statement
  /** Where the database has one code for whatever is wrong (SQLite): returns a row if the outbox is there. */
  readonly isThere?: Statement
  /** Reads the rows that `insert`, or `readBack`, returned. */
  inserted(rows: readonly Row[]): readonly InsertedRow[]
  /** Selects the stored row of a duplicate, all columns, by its identity. */
  findDuplicate(row: NewOutboxEvent): Statement
  /** Reads the rows that `findDuplicate` returned: at most one. */
  found(rows: readonly Row[]): Partial<OutboxEventColumns> | undefined
}

/** Wake-up by the database. */
export interface WakeStore {
  /**
   * Calls `onWake` after commits of due events, and when lanes want attention. Resolves when listening; rejects when
   * this connection cannot listen (the worker then polls). `onLost` is called when listening ended by itself.
   */
  listen(onWake: () => void, onLost: (error: unknown) => void): Promise<WakeListener>
}

export interface WakeListener {
  /** From now on a commit of a due event wakes us. Resolves to false when it could not be arranged just now. */
  arm(): Promise<boolean>
  /** We are awake: commits need not tell us. */
  disarm(): Promise<void>
  /** Stops listening. Idempotent. */
  close(): Promise<void>
}

export interface MigrationStatus {
  /** The schema version in the database; 0 = no outbox there. */
  readonly version: number
  /** The newest version this package knows. */
  readonly latest: number
  /** Number of lanes, fixed at the first migration; null before it. */
  readonly lanes: number | null
  /** True: the events table is there and not ours, or not wholly. `migrate` takes it over if Django Broadcaster made it. */
  readonly foreign?: true
  readonly pending: readonly { readonly version: number; readonly name: string; readonly breaking: boolean }[]
  /** Of `migrate`: what was missing of the steps that were done before, and was made again. For people. */
  readonly mended?: readonly string[]
}

/** What `migrate` may be told. */
export interface MigrateOptions {
  /** The number of lanes, 1 to 1024. Default: 64. */
  readonly lanes?: number
  /** Is told what is being done, where that may take long. */
  readonly onProgress?: (message: string) => void
}

/** What `print` may be told. */
export interface PrintOptions {
  /** Only the steps after this version. Default: 0. */
  readonly from?: number
  /** The number of lanes, 1 to 1024. Default: 64. */
  readonly lanes?: number
  /** The SQL that takes over a table made by Django Broadcaster. Default: false. */
  readonly takeOver?: boolean
}

/** Migrations: append-only, printable, never run unless asked. */
export interface SchemaStore {
  status(): Promise<MigrationStatus>
  /**
   * Applies what is missing, each step in its own transaction. `lanes` counts only at the very first. A table that
   * Django Broadcaster made is taken over in place; `onProgress` is told its steps. Throws `TAKEOVER_REFUSED`.
   */
  migrate(options?: MigrateOptions): Promise<MigrationStatus>
  /** The SQL that `migrate` would run, for people who run it themselves. */
  print(options?: PrintOptions): string
  /** What is there that costs, or misleads. Optional: without it nothing is known. */
  inspect?(): Promise<Inspection>
  /** The SQL of triggers that turn changes of a table into events. Optional: where there are triggers. */
  capture?(options: CaptureOptions): Promise<string>
  /** Throws `SCHEMA_MISSING`, `SCHEMA_OUTDATED` or `SCHEMA_TOO_NEW` unless this code can work with the schema. */
  check(): Promise<MigrationStatus>
}
