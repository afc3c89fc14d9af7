import type { Row, Statement } from './statement.ts'

/** One event as one consumer handled it. */
export interface InboxEntry {
  /** At most 100 characters. */
  readonly consumer: string
  /** At most 255 characters. */
  readonly source: string
  /** At most 255 characters. */
  readonly eventId: string
}

/** What the inbox needs: statements to run on the caller's transaction, and the clean-up. */
export interface InboxStore {
  /**
   * Enters it, unless it stands there. Of two transactions that enter the same, the second waits until the first has
   * ended, and enters it only if that rolled back.
   */
  enter(entry: InboxEntry): Statement
  /** Where the database's INSERT cannot return rows (MySQL): to be run after an `enter` that returned none. */
  readBack?(entry: InboxEntry): Statement
  /** Reads what `enter`, or `readBack`, returned: whether it was entered. */
  entered(rows: readonly Row[]): boolean
  /**
   * Where a COMMIT may succeed although the database has rolled the transaction back (PostgreSQL, MySQL): reads the entry.
   * To be run after user code, which may have caught the error that told so.
   */
  find?(entry: InboxEntry): Statement
  /** Takes an entry back, of this transaction or an earlier one. */
  withdraw(entry: InboxEntry): Statement
  /** Where the database has one code for whatever is wrong (SQLite): returns a row if the inbox is there. */
  readonly isThere?: Statement
  /** Deletes at most `limit` entries made `age` ms ago or earlier; resolves with their number. */
  prune(options: { readonly age: number; readonly limit: number }): Promise<number>
}
