/** The answers of the admin API that tell what happened: types only. */

import type { Instant } from './api-types.ts'

/** Times to delivery that half, 95 % and 99 % of the deliveries did not exceed, in milliseconds: of a sample, to about a quarter. */
export interface TimesJson {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** What was done in some time. */
export interface DoneJson {
  /** Deliveries recorded. */
  readonly delivered: number
  /** Attempts that failed and are tried again. */
  readonly retried: number
  /** Events that failed for good. */
  readonly failed: number
  /** Null = nothing was delivered, or its rows are deleted at once. */
  readonly times: TimesJson | null
}

/** One span of GET api/flow. */
export interface FlowPointJson extends DoneJson {
  /** When it began. */
  readonly at: Instant
  /** Events stored, with those of transactions that were rolled back; null = not known, or of one backend only. */
  readonly stored: number | null
}

/** One backend in GET api/flow. */
export interface BackendFlowJson extends DoneJson {
  readonly backend: string
}

/** GET api/flow?range=&backend= */
export interface FlowAnswer {
  readonly at: Instant
  /** The length of a span, in seconds. */
  readonly seconds: number
  /** Each span that is over, the oldest first; at most 168. */
  readonly points: readonly FlowPointJson[]
  /** The last five minutes and the one that goes on. */
  readonly lately: {
    /** How long that is. */
    readonly seconds: number
    readonly stored: number | null
    readonly backends: readonly BackendFlowJson[]
  }
}

/** From the opening of a breaker until it closed. */
export interface OutageJson {
  /** Its number. */
  readonly id: number
  readonly backend: string
  /** The place behind the backend; empty = the whole backend. */
  readonly destination: string
  readonly openedAt: Instant
  /** The worker that opened it. */
  readonly openedBy: string
  /** Why it opened. */
  readonly reason: string
  /** How often it was half open: one worker was allowed one try. */
  readonly probes: number
  /** When it was half open last; null = never. */
  readonly probedAt: Instant | null
  /** Why the last try failed; empty = none did. */
  readonly lastError: string
  /** Null = it is open. */
  readonly closedAt: Instant | null
  /** The worker, or the person, who closed it; empty = nobody said so, but it was opened again. */
  readonly closedBy: string
}

/** GET api/outages?backend=&after= */
export interface OutagesAnswer {
  readonly outages: readonly OutageJson[]
  readonly next: string | null
}
