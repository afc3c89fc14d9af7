/** An index on the events table that is not ours. */
export interface ExtraIndex {
  readonly name: string
  /** What it holds: `(status, scheduled_at)`. */
  readonly on: string
  /** The statement that drops it. */
  readonly drop: string
}

/** What a look at the database itself finds, for `broadcaster doctor`. */
export interface Inspection {
  /** The database's clock. */
  readonly now: Date
  /** Indexes on the events table that are not ours, such as those of Django: each insert and each settle pays for them. */
  readonly extraIndexes: readonly ExtraIndex[]
}
