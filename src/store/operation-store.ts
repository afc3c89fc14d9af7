import type { Row } from './statement.ts'

/** `running`: a worker goes on with it. All others but `paused` are ends. */
export type OperationState = 'running' | 'paused' | 'done' | 'cancelled' | 'failed'

/** What is to be done, in the background, to all events that match. */
export interface NewOperation {
  /** The move: `requeue` and so on. */
  readonly kind: string
  readonly who: string
  readonly reason: string
  /** The filter as a person wrote it. */
  readonly filter: string
  /** What it means, as JSON text. */
  readonly conditions: string
  /** What else the move needs, as JSON text. */
  readonly params: string
  /** Events a second at most; null = as fast as it goes. */
  readonly rate: number | null
  /** How many matched when it began, as far as they were counted; null = more than were counted. */
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
  /** The number of its entry in the audit; null = not known yet. */
  readonly audit: number | null
  readonly error: string | null
}

/** One step forward. */
export interface OperationStep {
  readonly leftAlone: number
  /** The last event that was read; null = the end is reached. */
  readonly position: string | null
  /** Milliseconds before the next step may be made. */
  readonly pause: number
  /** Milliseconds for which the operation stays ours after that. */
  readonly lease: number
}

/** Operations in the background: one who has taken it works on it, under a lease, and any other goes on when that ends. */
export interface OperationStore {
  /** Returns its number. */
  add(operation: NewOperation): Promise<number>
  /** Remembers its entry in the audit. */
  tie(id: number, audit: number): Promise<void>
  /** The newest first, those before one; or the one with an id. */
  list(query: {
    readonly id?: number
    readonly before: number | null
    readonly limit: number
  }): Promise<readonly StoredOperation[]>
  /** Takes one that is running, whose next step is due, and that nobody else has; for `lease` ms. */
  take(owner: string, lease: number): Promise<StoredOperation | undefined>
  /** Writes a step down and keeps it. False: it is not ours or not running any more. */
  advance(id: number, owner: string, step: OperationStep): Promise<boolean>
  /** Changes the state, where it is one of `from`; an end is an end for whoever works on it. True: this call changed it. */
  change(id: number, from: readonly OperationState[], to: OperationState, error?: string): Promise<boolean>
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
