import type { OperationMove } from './admin-store.ts'
import type { AuditOutcome, NewAuditEntry } from './audit-store.ts'
import type { Row } from './statement.ts'

/** `running`: a worker works on it. All others except `paused` are final. */
export type OperationState = 'running' | 'paused' | 'done' | 'cancelled' | 'failed'

/** What is to be done, in the background, to all events that match. */
export interface NewOperation {
  /** The move: `requeue` and so on. */
  readonly kind: string
  readonly who: string
  readonly reason: string
  /** The filter as the person wrote it. */
  readonly filter: string
  /** What it means, as JSON text. */
  readonly conditions: string
  /** What else the move needs, as JSON text. */
  readonly params: string
  /** Events a second at most; null = as fast as it goes. */
  readonly rate: number | null
  /** How many matched when it began; null = more than are counted. */
  readonly matched: number | null
}

/** How far an operation has come. */
export interface StoredOperation extends NewOperation {
  /** Its number. */
  readonly id: number
  readonly state: OperationState
  readonly beganAt: Date
  readonly endedAt: Date | null
  /** Events that were changed: exact, since each change counts in its own transaction. */
  readonly moved: number
  /** Events that matched and could not be changed. */
  readonly leftAlone: number
  /** The last event that was read; null = none was. */
  readonly position: string | null
  /** The number of its entry in the audit; null = it has none. */
  readonly audit: number | null
  readonly error: string | null
}

/** The progress of one step. */
export interface OperationStep {
  readonly moved: number
  readonly leftAlone: number
  /** The last event that was read; null = the same as before. */
  readonly position: string | null
  /** Milliseconds before the next step may be made. */
  readonly pause: number
  /** Milliseconds for which the operation stays ours after the pause. */
  readonly lease: number
}

/** Background operations: whoever has taken one works on it under a lease; when that ends another may go on. */
export interface OperationStore {
  /** Adds it and its audit entry in one transaction. Returns its number. */
  add(operation: NewOperation, entry: Omit<NewAuditEntry, 'operation'>): Promise<number>
  /** The newest first, those before one; or the one with an id. */
  list(query: {
    readonly id?: number
    readonly before: number | null
    readonly limit: number
  }): Promise<readonly StoredOperation[]>
  /** Takes for `lease` ms one that is running, whose next step is due, and that nobody else has. */
  take(owner: string, lease: number): Promise<StoredOperation | undefined>
  /** Records a step and extends the lease. False: the operation is no longer ours, or not running. */
  advance(id: number, owner: string, step: OperationStep): Promise<boolean>
  /**
   * Changes the state if it is one of `from`. A final state stops whoever works on it, and is written into its audit
   * entry in the same transaction. True: this call changed it.
   */
  change(id: number, from: readonly OperationState[], to: OperationState, error?: string): Promise<boolean>
}

/** The audit outcome of an operation in this state; undefined = it has not ended. */
export function auditOutcomeOf(state: OperationState): AuditOutcome | undefined {
  switch (state) {
    case 'done':
      return 'done'
    case 'cancelled':
      return 'stopped'
    case 'failed':
      return 'failed'
    default:
      return undefined
  }
}

/** How many of the ids, from the first, a step deals with. */
export function passable(ids: readonly string[], busy: readonly string[], { leaveBusy, end }: OperationMove): number {
  const isBusy = new Set(busy)
  const first = leaveBusy || end === null ? -1 : ids.findIndex((id) => isBusy.has(id))
  return first === -1 ? ids.length : first
}

/** What is recorded once it has dealt with them. */
export function stepTaken(ids: readonly string[], passed: number, moved: number, step: OperationMove): OperationStep {
  // How many were left alone is known only after all moves of the step.
  if (step.end === null) return { moved, leftAlone: 0, position: null, pause: 0, lease: step.lease }
  return {
    moved,
    leftAlone: passed - moved,
    position: passed === ids.length ? step.end : (ids[passed - 1] ?? null),
    pause: pauseAfter(step.movedBefore + moved, step.rate, step.behind),
    lease: step.lease,
  }
}

/** Milliseconds from a step that began late by `behind` to the next, so that the rate is kept. */
export function pauseAfter(moved: number, rate: number | null, behind: number): number {
  return rate === null ? 0 : Math.max(0, (moved / rate) * 1_000 - behind)
}

/** Reads a row; `date` reads its instants, `uuid` its ids. */
export function operationOf(
  row: Row,
  date: (value: unknown) => Date,
  uuid: (value: unknown) => string,
): StoredOperation {
  const orNull = <T>(name: string, read: (value: unknown) => T): T | null =>
    row[name] == null ? null : read(row[name])
  const text = (name: string): string => String(row[name])
  return {
    id: Number(row['id']),
    kind: text('kind'),
    who: text('who'),
    reason: text('reason'),
    filter: text('filter'),
    conditions: text('conditions'),
    params: text('params'),
    rate: orNull('rate', Number),
    state: text('state') as OperationState,
    beganAt: date(row['began_at']),
    endedAt: orNull('ended_at', date),
    matched: orNull('matched', Number),
    moved: Number(row['moved']),
    leftAlone: Number(row['left_alone']),
    position: orNull('position', uuid),
    audit: orNull('audit', Number),
    error: orNull('error', String),
  }
}
