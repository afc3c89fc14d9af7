/** A transaction that is kept open: rows that it might still see cannot be cleaned up. */
export interface OpenTransaction {
  /** Who: `psql as ada, pid 4711, idle in transaction`. */
  readonly who: string
  /** For how long it has been open, in milliseconds. */
  readonly age: number
  /** The statement that ends its session. */
  readonly end: string
}

/** Versions of rows that nobody can see any more, and that are still in the table. */
export interface DeadRows {
  /** How many, as the server estimates. */
  readonly dead: number
  /** Rows that are there, as the server estimates. */
  readonly live: number
  /** When they were last cleaned up; null = never, as far as is known. */
  readonly cleanedAt: Date | null
  /** The statement that cleans them away. */
  readonly mend: string
}

/** What the server itself says that matters to an outbox. What is missing is not known here, or this role may not see it. */
export interface ServerLook {
  /** It accepts no writes: a standby, or set read-only. */
  readonly readOnly?: boolean
  /** Transactions open for longer than was asked for, the oldest first; ten at most. */
  readonly openTransactions?: readonly OpenTransaction[]
  /** Of the events table. */
  readonly deadRows?: DeadRows
  /** Cleaning by itself is switched off for the events table, or at all: the statement that switches it on. */
  readonly autovacuumOff?: string
}

/** What `inspect` may be told. */
export interface InspectOptions {
  /** A transaction that has been open for longer than this is told, in milliseconds. Default 300,000 (five minutes). */
  readonly transactionAge?: number | undefined
}

/** As long as it takes until sweeps of a busy table become dear. */
export const TRANSACTION_AGE = 300_000
/** Transactions told. */
export const MOST_TRANSACTIONS = 10
