import type { Program } from './program.ts'

/** One event as one consumer handled it. */
export interface InboxEntry {
  /** At most 100 characters. */
  readonly consumer: string
  /** At most 255 characters. */
  readonly source: string
  /** At most 255 characters. */
  readonly eventId: string
}

/** What the inbox needs: programs for the caller's transaction, and the clean-up. */
export interface InboxStore {
  /**
   * Enters it unless it exists: true when it was entered. Of two transactions that enter the same, the second waits
   * until the first has ended, and enters it only if that rolled back.
   */
  enter(entry: InboxEntry): Program<boolean>
  /**
   * Whether the entry still stands; only where a COMMIT may succeed although the database has rolled the transaction
   * back (PostgreSQL, MySQL). Run after user code, which may have caught the error that said so.
   */
  find?(entry: InboxEntry): Program<boolean>
  /** Removes an entry of this transaction or an earlier one. */
  withdraw(entry: InboxEntry): Program<void>
  /** Deletes at most `limit` entries made `age` ms ago or earlier; resolves with their number. */
  prune(options: { readonly age: number; readonly limit: number }): Promise<number>
}
