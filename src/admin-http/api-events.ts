/** The answers of the admin API about events: types only. */

import type { AuditRow, Bounded, Instant } from './api-types.ts'

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
  /** The same for errors that differ in numbers, ids, times and quoted values alone, usable as `fingerprint:<it>` in a filter; null = there is no error, or it is older than this. */
  readonly fingerprint: string | null
  readonly createdAt: Instant
  readonly updatedAt: Instant
  readonly dueAt: Instant
  readonly publishedAt: Instant | null
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
  /** Give it as `after`, to go on; null = it read all. */
  readonly goOn: string | null
  /** The `createdAt` of the last row it looked at; null = there was none. */
  readonly until: Instant | null
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
  readonly at: Instant
}

/** GET api/events/count?q= ; stops at 10,000. */
export interface CountAnswer extends Bounded {
  /** Only of a filter that no index answers: the count is of what was read. */
  readonly searched?: Searched
}

/** One attempt that did not deliver; the last ten are kept. */
export interface AttemptRow {
  readonly at: Instant
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
  readonly availableAt: Instant | null
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
  readonly at: Instant
}

/** POST api/events/<id>/correct: what is left out stays as it is, null takes out. At most one of `data` and `dataBase64`. */
export interface CorrectBody {
  readonly type?: string
  readonly source?: string
  readonly subject?: string | null
  readonly time?: string
  readonly dataContentType?: string
  readonly dataSchema?: string | null
  /** Any JSON; integers stay exact. */
  readonly data?: unknown
  readonly dataBase64?: string
  readonly extensions?: Readonly<Record<string, string | number | boolean | null>>
  readonly backendConfig?: Readonly<Record<string, unknown>>
  readonly maxRetries?: number
  readonly reason?: string
}
export interface CorrectAnswer {
  /** The new event. */
  readonly id: string
  /** The old one, which is cancelled. */
  readonly corrects: string
}

/** One line of GET api/suggest?q=&at= (`at`: where the cursor stands, in characters). */
export interface Suggestion {
  /** Put in place of the characters from `from` to `to`. */
  readonly text: string
  readonly hint: string
  readonly from: number
  readonly to: number
}
