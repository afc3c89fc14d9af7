/**
 * The answers of the admin API as JSON, for whoever reads them: types only. Instants are RFC 3339 texts in UTC, durations
 * are milliseconds, and all addresses are relative to the base path.
 */

import type { EventRow, Searched } from './api-events.ts'
import type { BackendRow, ConsumerRow, FeatureName, FindingRow, InboxRow, OperationRow } from './api-operations.ts'
import type { StorageAnswer } from './api-storage.ts'

/** A moment: RFC 3339, in UTC. @format date-time */
export type Instant = string

/** What a user may do: `viewer` reads, `operator` moves events and pauses backends, `admin` deletes as well. */
export type Role = 'viewer' | 'operator' | 'admin'

/** How many; `more`: at least this many. */
export interface Bounded {
  readonly count: number
  readonly more: boolean
}

/** An error: RFC 9457, `application/problem+json`. */
export interface ProblemAnswer {
  readonly type: string
  readonly title: string
  readonly status: number
  /** Stable, for programs: `NOT_THERE`, `FORBIDDEN`, `INVALID_FILTER`, `UNAUTHENTICATED`, `CSRF`, `TOO_MANY`, `TIMEOUT` ... */
  readonly code: string
  /** What could not be done, and what to do. */
  readonly detail: string
  /** What it is about: a member of the body or of the query. */
  readonly field?: string
  /** Of a mistake in a filter: the character where it begins, from 0, and where it ends. */
  readonly at?: number
  readonly end?: number
  /** Of `TOO_MANY` and `TIMEOUT`: milliseconds until asking again makes sense. */
  readonly retryAfter?: number
}

/** GET api/session. Answered without a right to anything, with `user: null`, when somebody must log in first. */
export interface SessionAnswer {
  /** Null: nobody; `login` says how to become somebody. */
  readonly user: string | null
  readonly role: Role | null
  /**
   * `token`: POST api/login takes one. `basic`: the browser asks. `host`: the application around it decides. `none`: open to
   * this machine.
   */
  readonly login: 'token' | 'basic' | 'host' | 'none'
  /** The outbox that this session looks at; `?outbox=<name>` of any call chooses another. Empty for nobody. */
  readonly outbox: string
  readonly outboxes: readonly string[]
  /** For the header `x-csrf` of each POST; null for nobody. */
  readonly csrf: string | null
  /** Whether keys are shown as they are; otherwise `key` is null and `keyHash` stands for it. */
  readonly keysAllowed: boolean
  /** What this server can do; what is false answers 501 NOT_THERE. */
  readonly features: Readonly<Record<FeatureName, boolean>>
  readonly version: string
}

/** POST api/login. */
export interface LoginBody {
  readonly token: string
}

/** POST api/logout: no members. */
export type EmptyBody = Readonly<Record<string, never>>
/** The answer of POST api/login and api/logout. */
export interface DoneAnswer {
  readonly done: boolean
}

export type {
  AttemptRow,
  CorrectAnswer,
  CountAnswer,
  EventAnswer,
  EventDetail,
  EventRow,
  EventStatus,
  EventsAnswer,
  Searched,
  Suggestion,
} from './api-events.ts'

/** `still`: it failed within the last minutes. `stopped`: others went through since. `unknown`: nothing is being sent. */
export type FailureState = 'still' | 'stopped' | 'unknown'

/** Failed events whose error is the same but for numbers, ids and quoted values. */
export interface FailureGroup {
  /** 16 hexadecimal digits. */
  readonly fingerprint: string
  /** The error with what differs taken out. */
  readonly pattern: string
  readonly code: string | null
  readonly backend: string
  /** The error of the newest. */
  readonly sample: string
  /** The row of the newest. */
  readonly sampleId: string
  readonly count: number
  readonly more: boolean
  /** How many keys are concerned, of those that have one. */
  readonly keys: number
  /** How many of them are blocked. */
  readonly blockedKeys: number
  readonly types: readonly string[]
  readonly first: Instant
  readonly last: Instant
  readonly state: FailureState
  /** The filter that finds its events. */
  readonly q: string
}

/** GET api/failures?q= */
export interface FailuresAnswer {
  readonly groups: readonly FailureGroup[]
  readonly searched: Searched
  readonly at: Instant
}

/** A key that a failed event blocks. */
export interface BlockedKeyRow {
  readonly backend: string
  readonly keyHash: string
  /** Null unless keys are shown. */
  readonly key: string | null
  /** The failed event that blocks it; null = it is gone since. */
  readonly head: EventRow | null
  readonly error: string
  readonly since: Instant
  /** Events of this key that are not delivered; `more`: there may be more than were counted. */
  readonly waiting: number
  readonly more: boolean
}

/** GET api/keys?after= */
export interface KeysAnswer {
  readonly blocked: readonly BlockedKeyRow[]
  readonly next: string | null
  /** How many keys are blocked in all. */
  readonly total: Bounded
  readonly at: Instant
}

/** GET api/backends */
export interface BackendsAnswer {
  readonly backends: readonly BackendRow[]
  readonly at: Instant | null
}

/** GET api/audit?who=&what=&after= */
export interface AuditAnswer {
  readonly audit: readonly AuditRow[]
  readonly next: string | null
}

/** What a person did. */
export interface AuditRow {
  readonly id: string
  readonly at: Instant
  readonly who: string
  readonly what: string
  /** The filter or the ids, as text. */
  readonly target: string
  readonly reason: string | null
  readonly moved: number
  readonly outcome: string
  readonly operation: number | null
  /** It is of a kind that can be undone, and has changed something. */
  readonly undoable: boolean
}

/** POST api/audit/<n>/undo */
export interface UndoBody {
  /** `goOn` of an answer. */
  readonly after?: string
  readonly reason?: string
}
/** What came of it, in this call. */
export interface UndoAnswer {
  /** Events that are what they were before; of a pause 1. */
  readonly undone: number
  /** Events that were sent, tried, moved or deleted since. Of a pause: it had ended. */
  readonly tooLate: number
  /** Events in hand at a worker that did not answer in time: ask again. */
  readonly unknown: number
  /** The call ended by its time: give it as `after` to go on; null = it did not. */
  readonly goOn: string | null
}

/** GET api/operations, api/operations/<n> */
export interface OperationsAnswer {
  readonly operations: readonly OperationRow[]
  readonly next: string | null
}

/** GET api/findings */
export interface FindingsAnswer {
  readonly findings: readonly FindingRow[]
  readonly at: Instant | null
}

/** GET api/consumers */
export interface ConsumersAnswer {
  readonly consumers: readonly ConsumerRow[]
}

/** GET api/openapi.json: an OpenAPI 3.1 document. */
export type OpenApiDocument = Readonly<Record<string, unknown>>

/** GET api/inbox */
export interface InboxAnswer {
  readonly inbox: readonly InboxRow[]
  readonly next: string | null
}

/** GET api/storage */
export type { StorageAnswer }
