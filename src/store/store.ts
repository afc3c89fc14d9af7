import type { InsertedRow, NewOutboxEvent, OutboxEventColumns } from '../record/columns.ts'
import type { AdminStore } from './admin-store.ts'
import type { AuditStore } from './audit-store.ts'
import type { CaptureOptions } from './capture.ts'
import type { CoordinationStore } from './coordination-store.ts'
import type { HistoryStore } from './history-store.ts'
import type { InboxStore } from './inbox-store.ts'
import type { Inspection } from './inspection.ts'
import type { OperationStore } from './operation-store.ts'
import type { Program } from './program.ts'
import type { RelayStore } from './relay-store.ts'
import type { RetentionStore } from './retention-store.ts'
import type { InspectOptions } from './server-look.ts'
import type { Dialect } from './statement.ts'
import type { TableSize } from './table-sizes.ts'
import type { TransactionAdapter } from './transaction-adapter.ts'

/**
 * The database that holds the outbox, as narrow interfaces by consumer. `Tx` is the native transaction type of the
 * client it was made with. Every instant in it comes from the database; callers pass durations.
 *
 * An internal seam until 1.0: its conformance suite is published (`ts-broadcaster/testing`), but its members may change
 * with any version. Use one that one of our factories made.
 */
export interface Store<Tx = unknown> {
  /** The dialect of its SQL. */
  readonly dialect: Dialect
  /** For messages: `postgres outbox_events`. */
  readonly description: string
  /** For messages: host and database, `127.0.0.1:5432/shop`, as far as the options tell. Never a user or a password. */
  readonly place?: string
  /** The adapter of the store's own client; used when a Broadcaster is given no other. */
  readonly transactionAdapter: TransactionAdapter<Tx>
  /** Inserting, on the caller's transaction. */
  readonly publish: PublishStore
  /** Fetching and settling. */
  readonly relay: RelayStore
  /** Deleting what is settled and old. */
  readonly retention: RetentionStore
  /** Workers, lanes and breakers. */
  readonly coordination: CoordinationStore
  /** Lists, counts and moves, for operators. */
  readonly admin: AdminStore
  /** What operators did. */
  readonly audit: AuditStore
  /** What operators do in the background. */
  readonly operations: OperationStore
  /** What happened: rates, times to delivery, outages. */
  readonly history: HistoryStore
  /** What consumers have handled. */
  readonly inbox: InboxStore
  /** Migrations. */
  readonly schema: SchemaStore
  /** Runs `work` in a transaction of the store's own: committed when it resolves, rolled back when it throws. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** Closes what the store itself opened, and nothing that was injected. Idempotent. */
  close(): Promise<void>
  /** The longest that one of its statements takes, in milliseconds, if it limits them. */
  readonly statementTimeout?: number
  /** Announces commits of other processes. Optional: without it relays poll. */
  readonly wake?: WakeStore
}

/** What `publish` needs: programs to run on the caller's transaction. */
export interface PublishStore {
  /**
   * Inserts all rows, those of a key in their order, with one statement unless they are too many. Returns those that
   * were added: a row whose (source, event id, backend) or id already exists is left out. With neither an event id nor an id of
   * another version than 7, it is taken as made for this row, and one that exists nevertheless may be an error.
   */
  insert(rows: readonly NewOutboxEvent[]): Program<readonly InsertedRow[]>
  /** The stored row because of which a row was left out. Undefined: it is gone again. */
  findDuplicate(row: NewOutboxEvent): Program<Partial<OutboxEventColumns> | undefined>
}

/** Wake-up by the database. */
export interface WakeStore {
  /**
   * Calls `onWake` after commits of due events and when lanes need attention; with `events` where it knows that no lane
   * does. Resolves once it listens; rejects when this connection cannot listen (the worker then polls). `onLost` is
   * called when listening ends by itself.
   */
  listen(onWake: (about?: 'events') => void, onLost: (error: unknown) => void): Promise<WakeListener>
}

export interface WakeListener {
  /**
   * From now on a commit of a due event wakes us. Resolves to false when that could not be arranged now. One wake-up
   * may stand for several commits, the last of which end a moment later: armed again, it resolves once those have
   * ended.
   */
  arm(): Promise<boolean>
  /** We are awake: commits need not notify us. */
  disarm(): Promise<void>
  /** Stops listening. Idempotent. */
  close(): Promise<void>
}

/** The schema in the database, compared with what this package knows. */
export interface MigrationStatus {
  /** The schema version in the database; 0 = no outbox there. */
  readonly version: number
  /** The newest version this package knows. */
  readonly latest: number
  /** Number of lanes, fixed at the first migration; null before it. */
  readonly lanes: number | null
  /**
   * True: the events table exists but is not ours, or only partly. `migrate` takes it over if Django Broadcaster made
   * it.
   */
  readonly foreign?: true
  /** The steps that are still to be done, in order; old code refuses a schema with a newer breaking one. */
  readonly pending: readonly { readonly version: number; readonly name: string; readonly breaking: boolean }[]
  /** From `migrate`: what was missing of earlier steps and was made again, for people. */
  readonly mended?: readonly string[]
}

/** The options of `migrate`. */
export interface MigrateOptions {
  /** The number of lanes, 1 to 1024. Default: 64. */
  readonly lanes?: number | undefined
  /** Called with messages about what may take long. Default: none. */
  readonly onProgress?: ((message: string) => void) | undefined
}

/** The options of `print`. */
export interface PrintOptions {
  /** Only the steps after this version. Default: 0. */
  readonly from?: number | undefined
  /** The number of lanes, 1 to 1024. Default: 64. */
  readonly lanes?: number | undefined
  /** The SQL that takes over a table made by Django Broadcaster. Default: false. */
  readonly takeOver?: boolean | undefined
}

/** The options of `partition`. */
export interface PartitionOptions {
  /** How long the time of one partition is. Counts only when the table is made a partitioned one. Default: `'day'`. */
  readonly interval?: 'hour' | 'day' | undefined
  /** How many partitions are there beyond the one of now, 1 to 100. Default: 7. */
  readonly ahead?: number | undefined
  /** Changes nothing, and returns the SQL. Default: false. */
  readonly dryRun?: boolean | undefined
}

/** What `partition` did. */
export interface PartitionReport {
  /** True: the events table had no partitions before. */
  readonly converted: boolean
  /** Partitions made for times to come, beside those of a conversion. */
  readonly made: number
  /** With `dryRun`: what would be run; empty = the table is a partitioned one. */
  readonly sql?: string
}

/** Migrations: append-only, printable, never run unless asked. */
export interface SchemaStore {
  status(): Promise<MigrationStatus>
  /**
   * Applies missing steps, each in its own transaction. `lanes` counts only at the first migration. A table that Django
   * Broadcaster made is taken over in place; `onProgress` is called with its steps. Throws `TAKEOVER_REFUSED`.
   */
  migrate(options?: MigrateOptions): Promise<MigrationStatus>
  /** The SQL that `migrate` would run, for people who run it themselves. */
  print(options?: PrintOptions): string
  /**
   * Gives the events table partitions by the time in its ids, so that what retention deletes is dropped with its partition; where it has
   * some, makes those of the times to come. Optional: only on PostgreSQL 14 or later. Throws `PARTITION_REFUSED`.
   */
  partition?(options?: PartitionOptions): Promise<PartitionReport>
  /** Finds what costs performance or hides events. Optional. */
  inspect?(options?: InspectOptions): Promise<Inspection>
  /**
   * What the tables take up; undefined: this role may not ask. Reads catalogues alone. Optional: only where there is a disk.
   */
  sizes?(): Promise<readonly TableSize[] | undefined>
  /**
   * What has been dropped or changed since it was made, for people, and `migrate` would make again; empty = nothing. On PostgreSQL it makes the
   * same tables beside them, in a transaction that is rolled back, which takes some 100 ms. Optional.
   */
  drift?(): Promise<readonly string[]>
  /** The SQL of triggers that turn changes of a table into events. Optional: only where there are triggers. */
  capture?(options: CaptureOptions): Promise<string>
  /** Throws `SCHEMA_MISSING`, `SCHEMA_OUTDATED` or `SCHEMA_TOO_NEW` unless this code can work with the schema. */
  check(): Promise<MigrationStatus>
}
