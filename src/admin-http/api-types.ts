/**
 * The answers of the admin API as JSON, for whoever reads them: types only. Instants are RFC 3339 texts in UTC, durations
 * are milliseconds, and all addresses are relative to the base path.
 */

import type {
  BackendRow,
  ConsumerRow,
  FeatureName,
  FindingRow,
  InboxRow,
  OperationRow,
  StorageAnswer,
} from './api-operations.ts'

/** What somebody may do: `viewer` reads, `operator` moves events and pauses backends, `admin` deletes as well. */
export type Role = 'viewer' | 'operator' | 'admin'

/** How many; `more`: at least so many. */
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
  /** `token`: POST api/login takes one. `basic`: the browser asks. `host`: the application around it decides. `none`: open to this machine. */
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

/** Where an event is in its life. */
export type EventStatus = 'pending' | 'processing' | 'published' | 'failed' | 'retry' | 'cancelled'

/** One row of a list. */
export interface EventRow {
  readonly id: string
  /** The CloudEvents id. */
  readonly eventId: string
  readonly seq: number | null
  readonly source: string
  readonly type: string
  /** Empty = none. */
  readonly subject: string
  /** Null = it has none, or keys are not shown: then `keyHash` is there. */
  readonly key: string | null
  /** 16 hexadecimal digits, usable as `key:#<hash>` in a filter; null = it has no key. */
  readonly keyHash: string | null
  readonly backend: string
  readonly status: EventStatus
  readonly retryCount: number
  readonly maxRetries: number
  /** Empty = none. */
  readonly lastError: string
  /** Such as `ECONNREFUSED` or `WORKER_DIED`; null = the error names none. */
  readonly errorCode: string | null
  readonly createdAt: string
  readonly updatedAt: string
  readonly dueAt: string
  readonly publishedAt: string | null
  /** It waits behind a failed event of its key, or is that event. */
  readonly blocked: boolean
  /** The row that it waits for; null = none, or not known in a list. */
  readonly waitsFor: string | null
}

/** How far a search looked that no index answers. */
export interface Searched {
  readonly rows: number
  /** All rows there are, about. */
  readonly ofAbout: number
  /** Give it as `after`, to go on; null = it looked at all. */
  readonly goOn: string | null
  /** The `createdAt` of the last row it looked at; null = there was none. */
  readonly until: string | null
}

/** GET api/events?q=&order=&limit=&after= ; `order` is `-created` (default), `created`, `-id` or `id`. */
export interface EventsAnswer {
  readonly events: readonly EventRow[]
  /** For `after`: the page after and the page before; null = there is none. */
  readonly next: string | null
  readonly previous: string | null
  /** Only of a filter that no index answers. */
  readonly searched?: Searched
  /** The database's time. */
  readonly at: string
}

/** GET api/events/count?q= ; stops at 10,000. */
export interface CountAnswer extends Bounded {
  /** Only of a filter that no index answers: the count is of what was looked at. */
  readonly searched?: Searched
}

/** One attempt that did not deliver; the last ten are kept. */
export interface AttemptRow {
  readonly at: string
  readonly worker: string
  readonly error: string
}

/** All of one event. At most one of `dataText` and `dataBase64` is there. */
export interface EventDetail extends EventRow {
  readonly specVersion: string
  readonly dataContentType: string
  readonly dataSchema: string
  /** The CloudEvents time exactly as it was given; null = `createdAt`. */
  readonly eventTime: string | null
  /** The stored JSON text, with big integers as they are. Of masked data: with `"***"` in the places that `masked` names. */
  readonly dataText: string | null
  /** Binary data, in base64. */
  readonly dataBase64: string | null
  /** Bytes of the data as stored. */
  readonly dataSize: number
  /** The paths that a rule hid, such as `$.card`; `$` = all of it, and no data is given. */
  readonly masked: readonly string[]
  /** JSON text of an object: the extension attributes. */
  readonly extensionsText: string
  /** JSON text of an object: options for its backend. */
  readonly configText: string
  readonly lane: number | null
  readonly availableAt: string | null
  readonly generation: number
}

/** GET api/events/<id> */
export interface EventAnswer {
  readonly event: EventDetail
  readonly attempts: readonly AttemptRow[]
  /** The same event for other backends. */
  readonly copies: readonly EventRow[]
  /** Null: it has no key. `waitingBehind`: unsettled events of its key and backend after it. */
  readonly sameKey: {
    readonly previous: EventRow | null
    readonly next: EventRow | null
    readonly waitingBehind: Bounded
  } | null
  /** What people did to it; empty without `features.audit`. */
  readonly audit: readonly AuditRow[]
  readonly at: string
}

/** One line of GET api/suggest?q=&at= (`at`: where the cursor stands, in characters). */
export interface Suggestion {
  /** Put in place of the characters from `from` to `to`. */
  readonly text: string
  readonly hint: string
  readonly from: number
  readonly to: number
}

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
  readonly first: string
  readonly last: string
  readonly state: FailureState
  /** The filter that finds its events. */
  readonly q: string
}

/** GET api/failures?q= */
export interface FailuresAnswer {
  readonly groups: readonly FailureGroup[]
  readonly searched: Searched
  readonly at: string
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
  readonly since: string
  /** Events that wait behind it. */
  readonly waiting: number
  readonly more: boolean
}

/** GET api/keys?after= */
export interface KeysAnswer {
  readonly blocked: readonly BlockedKeyRow[]
  readonly next: string | null
  /** How many keys are blocked in all. */
  readonly total: Bounded
  readonly at: string
}

/** GET api/backends */
export interface BackendsAnswer {
  readonly backends: readonly BackendRow[]
  readonly at: string | null
}

/** GET api/audit?who=&what=&after= */
export interface AuditAnswer {
  readonly audit: readonly AuditRow[]
  readonly next: string | null
}

/** What somebody did. */
export interface AuditRow {
  readonly id: string
  readonly at: string
  readonly who: string
  readonly what: string
  /** The filter or the ids, as text. */
  readonly target: string
  readonly reason: string | null
  readonly moved: number
  readonly outcome: string
  readonly operation: number | null
}

/** GET api/operations, api/operations/<n> */
export interface OperationsAnswer {
  readonly operations: readonly OperationRow[]
  readonly next: string | null
}

/** GET api/findings */
export interface FindingsAnswer {
  readonly findings: readonly FindingRow[]
  readonly at: string | null
}

/** GET api/consumers */
export interface ConsumersAnswer {
  readonly consumers: readonly ConsumerRow[]
}

/** GET api/inbox */
export interface InboxAnswer {
  readonly inbox: readonly InboxRow[]
  readonly next: string | null
}

/** GET api/storage */
export type { StorageAnswer }
