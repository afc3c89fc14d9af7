/** The answers of the admin API that tell of the outbox as a whole, and the bodies of its actions: types only. */

import type { Bounded, EventRow, Instant } from './api-types.ts'

/** What a server may or may not have; see `features` of api/session. */
export type FeatureName =
  | 'pause'
  | 'audit'
  | 'operations'
  | 'history'
  | 'rates'
  | 'storage'
  | 'inbox'
  | 'consumers'
  | 'testEvent'
  | 'deadLetters'

/** This many, counted one by one up to a bound; not exact = at least this many. */
export interface CountJson {
  readonly count: number
  readonly exact: boolean
}

/** A breaker that is open: of a whole backend, or of a place behind it. */
export interface BreakerJson {
  readonly backend: string
  /** Empty = the whole backend. */
  readonly destination: string
  /** Milliseconds since it opened. */
  readonly since: number | null
  /** Milliseconds until the next probe (<= 0: now). */
  readonly probeIn: number
  readonly error: string
}

/** Who paused a backend. */
export interface PauseJson {
  readonly by: string
  readonly at: Instant
  readonly reason: string
}

/** A backend in GET api/status. */
export interface BackendJson {
  readonly backend: string
  /** Due and not delivered; of those, what is held; the age of the oldest that nothing holds, in ms. */
  readonly waiting: CountJson
  readonly stuck: CountJson
  readonly lag: number | null
  readonly scheduled: CountJson
  readonly retrying: CountJson
  readonly failed: CountJson
  readonly blockedKeys: CountJson
  /** Whether this process has it configured. */
  readonly configured: boolean
  readonly description: string | null
  readonly openBreakers: readonly BreakerJson[]
  /** Null: not paused, or `features.pause` is false. */
  readonly paused: PauseJson | null
}

/** A worker whose lease has not ended. */
export interface WorkerJson {
  readonly id: string
  readonly name: string
  readonly backends: readonly string[]
  /** Milliseconds until its lease ends. */
  readonly leaseLeft: number
  readonly lanes: number
}

/** A key that a failed event blocks; at most 100 of each backend. */
export interface BlockedKeyJson {
  readonly backend: string
  readonly keyHash: string
  readonly key: string | null
  /** The row that holds it. */
  readonly heldBy: string
  /** Milliseconds since that failed. */
  readonly since: number
}

/** What doctor found. */
export interface FindingRow {
  readonly code: string
  readonly level: 'wrong' | 'advice' | 'fine'
  readonly message: string
  /** A command, an SQL statement or a sentence. */
  readonly cure: string | null
}

/** GET api/status, and the data of each `status` event of GET api/live. */
export interface StatusAnswer {
  readonly outbox: string
  /** Such as `postgres outbox_events`. */
  readonly description: string
  /** Host and database. */
  readonly place: string | null
  /** The database's time; null = the schema is missing or outdated. */
  readonly at: Instant | null
  readonly schema: {
    readonly version: number
    readonly latest: number
    readonly lanes: number | null
    readonly pending: readonly { readonly version: number; readonly name: string; readonly breaking: boolean }[]
    readonly foreign: boolean
    readonly extraIndexes: readonly { readonly name: string; readonly drop: string }[]
  }
  readonly backends: readonly BackendJson[]
  readonly workers: readonly WorkerJson[]
  /** How many lanes there are of each backend, and how many have no living owner or are held. */
  readonly lanes: readonly {
    readonly backend: string
    readonly owned: number
    readonly free: number
    readonly orphaned: number
    readonly held: number
  }[]
  readonly blockedKeys: readonly BlockedKeyJson[]
  readonly totalRows: number
  readonly totalRowsIsEstimate: boolean
  readonly findings: readonly FindingRow[]
  /** Only with `features.operations`: those that run. */
  readonly operations?: readonly OperationRow[]
}

/** A `trouble` event of GET api/live: the status could not be read; the next one that can comes as `status` again. */
export interface LiveTrouble {
  readonly code: string
  readonly detail: string
}

/** A backend of GET api/backends. */
export interface BackendRow {
  readonly name: string
  readonly description: string | null
  readonly configured: boolean
  /** The breaker of the whole backend; null = it is closed. */
  readonly breaker: BreakerJson | null
  /** Those of places behind it. */
  readonly destinations: readonly BreakerJson[]
  readonly paused: PauseJson | null
  /** The rules that name it, for people. */
  readonly routes?: readonly string[]
  readonly health?: { readonly ok: boolean; readonly detail: string }
  readonly counts: Omit<BackendJson, 'backend' | 'configured' | 'description' | 'openBreakers' | 'paused'>
}

/** POST api/actions/<name>: one of `ids`, `q` and `all` says which events. */
export type ActionName = 'requeue' | 'replay' | 'skip' | 'cancel' | 'reschedule' | 'delete'
export interface ActionBody {
  /** At most 1,000. */
  readonly ids?: readonly string[]
  readonly q?: string
  readonly all?: true
  /** With q or all: `goOn` of an answer. */
  readonly after?: string
  /** Of `reschedule`. */
  readonly at?: Instant
  /** Of `replay`: the backend that gets them. */
  readonly to?: string
  readonly reason?: string
  /** Changes nothing, and tells what it would do. */
  readonly dryRun?: true
}
/**
 * `moved`, or why not: its status forbids it (`unchanged`), it was published meanwhile (`tooLate`), its worker did not answer
 * (`unknown`), or there is none (`missing`).
 */
export type ActionOutcome = 'moved' | 'unchanged' | 'tooLate' | 'unknown' | 'missing'
export interface ActionAnswer {
  /** Of each id that was given; of a filter only those that were not moved, at most 1,000. */
  readonly results: readonly { readonly id: string; readonly outcome: ActionOutcome }[]
  readonly moved: number
  /**
   * The call ended by its limit of events or time, and at least this many still match: call again, or start an
   * operation.
   */
  readonly left: number
  /** The search ended by its budget: give it as `after` to go on from there; null = it did not. */
  readonly goOn: string | null
  /** The line in the audit; null without `features.audit`. */
  readonly audit: string | null
}
export interface DryRunAnswer extends Bounded {
  /** Of those that match, how many the status of which forbids the move; null = not counted. */
  readonly unchanged: number | null
  /** At most five, spread over the match. */
  readonly sample: readonly EventRow[]
  /** Keys of those that match, as far as they were read. */
  readonly keys: Bounded
}

/** POST api/backends/<name>/<pause|resume|close-breaker|test-event> */
export interface BackendActionBody {
  readonly reason?: string
  /** Of close-breaker: only this place. */
  readonly destination?: string
}
export interface BackendActionAnswer {
  readonly done: boolean
  /** Of close-breaker: how many were closed. */
  readonly closed?: number
  /** Of test-event: its row. */
  readonly eventId?: string
}

/** POST api/operations; POST api/operations/<n>/<pause|resume|cancel>. Answer: the row. */
export interface OperationBody {
  readonly do: ActionName
  readonly q: string
  /** Events a second at most. */
  readonly rate?: number
  readonly at?: Instant
  /** Of `replay`: the backend that gets them. */
  readonly to?: string
  readonly reason?: string
}
export interface OperationRow {
  readonly id: number
  readonly do: string
  /** Of `replay`: the backend that gets them; null = the one that each was for. */
  readonly to: string | null
  readonly q: string
  readonly state: 'running' | 'paused' | 'done' | 'cancelled' | 'failed'
  readonly by: string
  readonly reason: string | null
  readonly startedAt: Instant
  readonly endedAt: Instant | null
  /** How many matched at the start; null = not counted. */
  readonly total: number | null
  readonly done: number
  readonly unchanged: number
  /** Events a second that it may do at most; null = no limit. */
  readonly rate: number | null
  readonly error: string | null
  /** Its line in the audit, by which it can be undone; null = it has none. */
  readonly audit: number | null
}

/** POST api/filters {q}: see FilterAnswer. */
export interface FilterBody {
  readonly q: string
}
/** POST api/filters {q} -> a short id that stands for the filter: `q=@<id>`. GET api/filters/<id> -> {q}. */
export interface FilterAnswer {
  readonly id: string
  readonly q: string
}

/** A consumer in GET api/consumers. */
export interface ConsumerRow {
  readonly name: string
  readonly description: string
  /** Whether GET api/consumers/<name>/dead-letters?after= lists them. */
  readonly deadLetters: boolean
}
export interface DeadLetterRow {
  readonly id: string
  readonly error: string
  readonly attempts: number
  readonly position: string
  readonly type: string | null
  readonly source: string | null
  readonly eventId: string | null
  /** Why the message is not an event; null = it is one. */
  readonly problem: string | null
  readonly size: number
}
export interface DeadLettersAnswer {
  readonly letters: readonly DeadLetterRow[]
  readonly next: string | null
}

/** POST api/consumers/<name>/requeue: at most 100. */
export interface DeadLetterBody {
  readonly ids: readonly string[]
}
export interface DeadLetterResult {
  readonly results: readonly { readonly id: string; readonly requeued: boolean }[]
}

/** An entry of GET api/inbox. */
export interface InboxRow {
  readonly consumer: string
  readonly source: string
  readonly eventId: string
  readonly handledAt: Instant
}
