import type { Row } from './statement.ts'

/** How an action ended. `running`: it has not, or its process died in the middle and the outcome is unknown. */
export type AuditOutcome = 'running' | 'done' | 'stopped' | 'failed'

/** An action that a person begins. */
export interface NewAuditEntry {
  /** Who: at most 255 characters. */
  readonly who: string
  /** What, such as `requeue`: at most 50 characters. */
  readonly what: string
  /** To what, as JSON text. */
  readonly target: string
  /** Why; empty = not said. */
  readonly reason: string
  /** The number of the background operation that does it; null = done at once. */
  readonly operation: number | null
}

/** How it ended. */
export interface AuditEnd {
  readonly outcome: AuditOutcome
  /** How many were changed and how many not, as JSON text. */
  readonly counts: string
  /** What went wrong; null = nothing did. */
  readonly error: string | null
}

/** A row of the audit. */
export interface StoredAuditEntry extends NewAuditEntry, AuditEnd {
  /** Ascending. */
  readonly id: number
  /** When it began. */
  readonly at: Date
  /** When it ended; null = it has not, as far as is known. */
  readonly endedAt: Date | null
}

export interface AuditQuery {
  readonly who?: string | undefined
  readonly what?: string | undefined
  readonly operation?: number | undefined
  /** Only entries whose target contains this text, among the newest `TARGETS_READ`. */
  readonly naming?: string | undefined
  /** Only entries before this one; null = from the newest. */
  readonly before: number | null
  readonly limit: number
}

/** How many rows are searched for a target: no index helps there. */
export const TARGETS_READ = 10_000

/** How long what an entry moved can be undone, in milliseconds: rows of a large operation are not kept as long as its entry. */
export const UNDO_KEPT = 7 * 24 * 3_600_000

/** What operators did. Written before the action and updated after it, so that one with an unknown end shows. */
export interface AuditStore {
  /** Records that an action begins. Returns its number. */
  begin(entry: NewAuditEntry): Promise<number>
  /** Records how it ended. */
  end(id: number, end: AuditEnd): Promise<void>
  /** The newest first. */
  list(query: AuditQuery): Promise<readonly StoredAuditEntry[]>
  /** Events that a `requeue` or `cancel` under this entry moved and that were not undone, by id, from behind `after`. */
  moved(id: number, page: { readonly after: string | null; readonly limit: number }): Promise<readonly string[]>
  /**
   * Deletes at most `limit` rows of `age` ms or more; resolves with their number. What was moved under them, or longer than
   * `UNDO_KEPT` ago, is forgotten.
   */
  prune(options: { readonly age: number; readonly limit: number }): Promise<number>
}

/** Reads a row; `date` reads its instants. */
export function auditEntryOf(row: Row, date: (value: unknown) => Date): StoredAuditEntry {
  const orNull = <T>(value: unknown, read: (value: unknown) => T): T | null => (value == null ? null : read(value))
  return {
    id: Number(row['id']),
    at: date(row['at']),
    who: String(row['who']),
    what: String(row['what']),
    target: String(row['target']),
    reason: String(row['reason']),
    operation: orNull(row['operation'], Number),
    outcome: String(row['outcome']) as AuditOutcome,
    counts: String(row['counts']),
    endedAt: orNull(row['ended_at'], date),
    error: orNull(row['error'], String),
  }
}
