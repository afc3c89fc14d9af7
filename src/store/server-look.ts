/** A transaction that is kept open: rows that it might still see cannot be cleaned up. */
export interface OpenTransaction {
  /** Who: `psql as ada, pid 4711, idle in transaction`. */
  readonly who: string
  /** For how long it has been open, in milliseconds. */
  readonly age: number
  /** The statement that ends its session. */
  readonly end: string
}

/** Row versions that nobody can see any more, but that are still in the table. */
export interface DeadRows {
  /** How many, as the server estimates. */
  readonly dead: number
  /** Rows that are there, as the server estimates. */
  readonly live: number
  /** When they were last cleaned up; null = never, as far as is known. */
  readonly cleanedAt: Date | null
  /** The statement that cleans them up. */
  readonly mend: string
}

/** What the server reports that matters to an outbox. A missing member: not known, or this role may not see it. */
export interface ServerLook {
  /** It accepts no writes: a standby, or set read-only. */
  readonly readOnly?: boolean
  /** Transactions open for longer than `transactionAge`, the oldest first; at most ten. */
  readonly openTransactions?: readonly OpenTransaction[]
  /** Of the events table. */
  readonly deadRows?: DeadRows
  /** Autovacuum is off, for the events table or altogether: the statement that switches it on. */
  readonly autovacuumOff?: string
}

/** The options of `inspect`. */
export interface InspectOptions {
  /** Transactions open for longer than this are reported, in milliseconds. Default 300,000 (five minutes). */
  readonly transactionAge?: number | undefined
}

/** By then sweeps of a busy table begin to cost noticeably more. */
export const TRANSACTION_AGE = 300_000
/** How many open transactions are reported. */
export const MOST_TRANSACTIONS = 10
