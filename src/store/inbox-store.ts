import type { Program } from './program.ts'
import type { Row } from './statement.ts'

/** One event as one consumer handled it. */
export interface InboxEntry {
  /** At most 100 characters. */
  readonly consumer: string
  /** At most 255 characters. */
  readonly source: string
  /** At most 255 characters. */
  readonly eventId: string
}

/** Where an entry stands in the list of all, the newest first. */
export interface InboxPlace extends InboxEntry {
  /** When it was made, as the store writes instants: with all digits. */
  readonly at: string
}

/** An entry, as it is listed. */
export interface ListedInboxEntry extends InboxPlace {
  /** When it was made. */
  readonly handledAt: Date
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
  /** Entries behind a place, the newest first; null = from the newest. Of the same instant: by consumer, source and id, backwards. */
  list(options: { readonly after: InboxPlace | null; readonly limit: number }): Promise<readonly ListedInboxEntry[]>
  /** Deletes at most `limit` entries made `age` ms ago or earlier; resolves with their number. */
  prune(options: { readonly age: number; readonly limit: number }): Promise<number>
}

/** An entry of a row of (consumer, source, event_id, at). Pure. */
export function listedEntry(row: Row, instantOf: (at: string) => Date): ListedInboxEntry {
  const at = String(row['at'])
  const [consumer, source, eventId] = [String(row['consumer']), String(row['source']), String(row['event_id'])]
  return { consumer, source, eventId, at, handledAt: instantOf(at) }
}
