import type { BreakerRow, DestinationRow, LaneRow, LiveWorker } from './coordination-store.ts'

/** This many, counted one by one up to `COUNTED`; not exact = at least this many. */
export interface Count {
  /** How many were counted. */
  readonly count: number
  /** False: there are at least this many. */
  readonly exact: boolean
}

/** Rows that are counted one by one; anything above is shown as "10,000+". */
export const COUNTED = 10_000
/** Rows that are read for one count. */
export const ROWS_READ = COUNTED + 1
/** At most this many blocked keys are named for each backend. */
export const BLOCKED_KEYS_NAMED = 100
/** Heads of keys that are read for them: a key may have several. */
export const HEADS_READ = 10 * BLOCKED_KEYS_NAMED
/** Names of backends that are read. */
export const BACKENDS_LOOKED_AT = 100

/** The rows of one backend. Each unsettled one is ready, delayed, blocked or scheduled. */
export interface BackendCounts {
  readonly backend: string
  /** Due, and held by nothing of its own. */
  readonly ready: Count
  /** Due, and parked until a time: behind a retry of its key, or for a destination that is down. */
  readonly delayed: Count
  /** Parked behind a key whose event failed for good. */
  readonly blocked: Count
  /** Not due yet: scheduled for later, or between retries. */
  readonly scheduled: Count
  /** Of all these, those tried before. */
  readonly retrying: Count
  readonly failed: Count
  /** Keys held by a failed event. */
  readonly blockedKeys: Count
  /** Age of the oldest ready one since it was due, in milliseconds; null = none. Of each lane only the first are read. */
  readonly oldestReadyAge: number | null
}

/** A key, and the event that failed for good and holds it. */
export interface BlockedKey {
  /** The name of the backend. */
  readonly backend: string
  /** The key whose events wait. */
  readonly partitionKey: string
  /** The row of the event that holds it. */
  readonly heldBy: string
  /** Milliseconds since that failed. */
  readonly since: number
}

/** All that a person needs to see of an outbox, from one snapshot of the database. */
export interface OutboxLook {
  /** The database's clock. */
  readonly now: Date
  /** Those that events wait for or failed for, and those that workers know; at most `BACKENDS_LOOKED_AT`, by name. */
  readonly backends: readonly BackendCounts[]
  /** Workers whose lease has not ended. */
  readonly workers: readonly LiveWorker[]
  readonly lanes: readonly LaneRow[]
  readonly breakers: readonly BreakerRow[]
  /** The open breakers of places behind backends. */
  readonly destinations: readonly (DestinationRow & { readonly backend: string })[]
  /** At most `BLOCKED_KEYS_NAMED` of each backend. */
  readonly blockedKeys: readonly BlockedKey[]
  /** All rows of the table, estimated from the database's statistics where counting would scan it. */
  readonly totalRows: number
  readonly totalRowsIsEstimate: boolean
}

/** What a store counted of one backend: rows read, each kind at most `ROWS_READ` of them. */
export interface RowsRead {
  /** In the hot index, and parked until an instant that has come. */
  readonly ready: number
  readonly blocked: number
  /** Parked until an instant that lies ahead. */
  readonly later: number
  /** Of those, due by their own time. */
  readonly delayed: number
  /** With the status `retry` or `failed`. */
  readonly troubled: number
  readonly retrying: number
  readonly failed: number
  readonly blockedKeys: number
  readonly oldestReadyAge: number | null
}

/** Of a backend that nobody has used yet. */
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

/** The counts that these rows are: a part of rows that were not all read may be greater. */
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

/** The first head of each key, of each backend no more than are named. */
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
