import type { BreakerRow, DestinationRow, LaneRow, LiveWorker } from './coordination-store.ts'

/** A number of rows, counted one by one up to `COUNTED`; not exact = at least this many. */
export interface Count {
  /** How many were counted. */
  readonly count: number
  /** False: there are at least this many. */
  readonly exact: boolean
}

/** Rows that are counted one by one; anything above is shown as "2,500+". */
export const COUNTED = 2_500
/** Rows that are read for one count. */
export const ROWS_READ = COUNTED + 1
/** At most this many blocked keys are named for each backend. */
export const BLOCKED_KEYS_NAMED = 100
/** How many heads of keys are read for that: a key may have several. */
export const HEADS_READ = 10 * BLOCKED_KEYS_NAMED
/** Entries of the inbox that are counted one by one. */
export const INBOX_COUNTED = 10_000
/** Names of backends that are read. */
export const BACKENDS_LOOKED_AT = 100

/** The rows of one backend. Each unsettled one is ready, delayed, blocked or scheduled. */
export interface BackendCounts {
  readonly backend: string
  /** Due, and not parked. */
  readonly ready: Count
  /** Due, but parked for a time: behind a retry of its key, or for a destination that is down. */
  readonly delayed: Count
  /** Parked behind a key whose event failed for good. */
  readonly blocked: Count
  /** Not due yet: scheduled for later, or between retries. */
  readonly scheduled: Count
  /** Those among all these that were tried before. */
  readonly retrying: Count
  readonly failed: Count
  /** Keys held by a failed event. */
  readonly blockedKeys: Count
  /** How long the oldest ready one has been due, in ms; null = none. Only the first rows of each lane are read. */
  readonly oldestReadyAge: number | null
}

/** A key, and the event that failed for good and blocks it. */
export interface BlockedKey {
  /** The name of the backend. */
  readonly backend: string
  /** The key whose events wait. */
  readonly partitionKey: string
  /** The row id of the event that blocks it. */
  readonly heldBy: string
  /** Milliseconds since that event failed. */
  readonly since: number
}

/** All that a person needs to see of an outbox, from one snapshot of the database. */
export interface OutboxLook {
  /** The database's clock. */
  readonly now: Date
  /** Backends with waiting or failed events, and those that workers serve; at most `BACKENDS_LOOKED_AT`, by name. */
  readonly backends: readonly BackendCounts[]
  /** Workers whose lease has not ended. */
  readonly workers: readonly LiveWorker[]
  readonly lanes: readonly LaneRow[]
  readonly breakers: readonly BreakerRow[]
  /** The open breakers of destinations behind backends. */
  readonly destinations: readonly (DestinationRow & { readonly backend: string })[]
  /** At most `BLOCKED_KEYS_NAMED` of each backend. */
  readonly blockedKeys: readonly BlockedKey[]
  /** All rows of the table, estimated from the database's statistics where counting would scan it. */
  readonly totalRows: number
  readonly totalRowsIsEstimate: boolean
  /**
   * Entries of the inbox: counted where they are few, then estimated from the database's statistics, and where there are none
   * (SQLite) `INBOX_COUNTED` = at least that many; null = not known, as without any right on that table.
   */
  readonly inboxRows: number | null
}

/** What a store counted for one backend: at most `ROWS_READ` rows of each kind. */
export interface RowsRead {
  /** In the hot index, or parked until an instant that has passed. */
  readonly ready: number
  readonly blocked: number
  /** Parked until a later instant. */
  readonly later: number
  /** Those of them that are due by their own time. */
  readonly delayed: number
  /** With the status `retry` or `failed`. */
  readonly troubled: number
  readonly retrying: number
  readonly failed: number
  readonly blockedKeys: number
  readonly oldestReadyAge: number | null
}

/** The counts of a backend that nobody has used yet. */
export const NO_ROWS: RowsRead = {
  ready: 0,
  blocked: 0,
  later: 0,
  delayed: 0,
  troubled: 0,
  retrying: 0,
  failed: 0,
  blockedKeys: 0,
  oldestReadyAge: null,
}

/** The counts from these rows. Where not all rows of a kind were read, the counts within it are lower bounds. */
export function backendCounts(backend: string, rows: RowsRead): BackendCounts {
  const part = (count: number, of: number): Count => ({ count: Math.min(COUNTED, count), exact: of <= COUNTED })
  const whole = (count: number): Count => part(count, count)
  return {
    backend,
    ready: whole(rows.ready),
    delayed: part(rows.delayed, rows.later),
    blocked: whole(rows.blocked),
    scheduled: part(rows.later - rows.delayed, rows.later),
    retrying: part(rows.retrying, rows.troubled),
    failed: part(rows.failed, rows.troubled),
    blockedKeys: part(rows.blockedKeys, rows.troubled),
    oldestReadyAge: rows.oldestReadyAge,
  }
}

/** The first head of each key, for each backend no more than are named. */
export function keysHeld(heads: readonly BlockedKey[]): readonly BlockedKey[] {
  const named = new Map<string, Set<string>>()
  return heads.filter(({ backend, partitionKey }) => {
    const keys = named.get(backend) ?? new Set()
    named.set(backend, keys)
    if (keys.has(partitionKey) || keys.size >= BLOCKED_KEYS_NAMED) return false
    keys.add(partitionKey)
    return true
  })
}
