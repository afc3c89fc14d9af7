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

/** What the inbox needs: programs to run on the caller's transaction, and the clean-up. */
export interface InboxStore {
  /**
   * Enters it, unless it is there: true when it was entered. Of two transactions that enter the same, the second waits until the
   * first has ended, and enters it only if that rolled back.
   */
  enter(entry: InboxEntry): Program<boolean>
  /**
   * Where a COMMIT may succeed although the database has rolled the transaction back (PostgreSQL, MySQL): whether the entry stands.
   * To be run after user code, which may have caught the error that told so.
   */
  find?(entry: InboxEntry): Program<boolean>
  /** Takes an entry back, of this transaction or an earlier one. */
  withdraw(entry: InboxEntry): Program<void>
  /** Deletes at most `limit` entries made `age` ms ago or earlier; resolves with their number. */
  prune(options: { readonly age: number; readonly limit: number }): Promise<number>
}
