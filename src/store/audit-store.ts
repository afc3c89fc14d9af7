import type { Row } from './statement.ts'

/** How an action ended. `running`: not yet; or its process ended in the middle of it, and the outcome is unknown. */
export type AuditOutcome = 'running' | 'done' | 'stopped' | 'failed'

/** What a person begins to do. */
export interface NewAuditEntry {
  /** Who: at most 255 characters. */
  readonly who: string
  /** What, such as `requeue`: at most 50 characters. */
  readonly what: string
  /** To what, as JSON text. */
  readonly target: string
  /** Why; empty = not said. */
  readonly reason: string
  /** The number of the operation that does it; null = it is done at once. */
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
  /** Goes up with each. */
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
  /** Those whose target has this text in it, of the newest `TARGETS_READ`. */
  readonly naming?: string | undefined
  /** Those before this one; null = from the newest. */
  readonly before: number | null
  readonly limit: number
}

/** Rows of which targets are searched: no index answers that. */
export const TARGETS_READ = 10_000

/** What operators did: a row is written before the action and once more after it, so an action that nobody knows the end of is there. */
export interface AuditStore {
  /** Writes down that something begins. Returns its number. */
  begin(entry: NewAuditEntry): Promise<number>
  /** Writes down how it ended. */
  end(id: number, end: AuditEnd): Promise<void>
  /** The newest first. */
  list(query: AuditQuery): Promise<readonly StoredAuditEntry[]>
  /** Deletes at most `limit` rows of `age` ms or more; resolves with their number. */
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
