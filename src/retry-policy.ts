import { BroadcasterError } from './errors.ts'
import { resolveOptions } from './options.ts'
import { showValue } from './problem.ts'

/** Exponential backoff: `base * factor^(retryCount - 1)`, at most `cap`; all in milliseconds. */
export interface BackoffOptions {
  /** Default 1,000. */
  readonly base?: number
  /** Default 2. */
  readonly factor?: number
  /** Default 3,600,000 (one hour). */
  readonly cap?: number
  /**
   * `half`: a random time between half of the backoff and all of it, so that many events do not return at once, and none
   * uses up its retries sooner than half of the time ("equal jitter", AWS Architecture Blog, 2015). `full`: between 0 and all of it.
   * `none`: exactly the backoff. Default `half`.
   */
  readonly jitter?: 'half' | 'full' | 'none'
}

/**
 * How long an event waits after its n-th failed attempt. `'django'` is Django Broadcaster's schedule, 2^n minutes;
 * a function gets n (from 1) and returns milliseconds; when it throws, or returns no number, the backoff's defaults count.
 */
export type RetryPolicy = BackoffOptions | 'django' | ((retryCount: number) => number)

/** Retries after the first attempt, unless an option says otherwise: with the default backoff they ride out half an hour. */
export const DEFAULT_RETRIES = 12

/** No attempt follows another sooner than this, in milliseconds: a jitter of 0 would be a tight loop. */
const MINIMUM_DELAY = 50

/** The longest wait, in milliseconds (a year): a time that the database cannot hold would make every settle fail. */
const MAXIMUM_DELAY = 365 * 24 * 60 * 60 * 1_000

/** A wait that somebody else computed, made one that every store can add to its clock: 0 to a year; no number is 0. */
export function boundedDelay(delay: unknown): number {
  return typeof delay !== 'number' || Number.isNaN(delay) ? 0 : Math.min(MAXIMUM_DELAY, Math.max(0, delay))
}

/** The wait after attempt `retryCount` (from 1) in milliseconds; `random` is in [0, 1). */
export function retryDelay(policy: RetryPolicy, retryCount: number, random: number): number {
  if (policy === 'django') return 2 ** retryCount * 60_000
  if (typeof policy === 'function') return delayBy(policy, retryCount) ?? retryDelay({}, retryCount, random)
  const { base = 1_000, factor = 2, cap = 3_600_000, jitter = 'half' } = policy
  const backoff = Math.min(cap, base * factor ** (retryCount - 1))
  const share = { half: 0.5 + random / 2, full: random, none: 1 }[jitter]
  return Math.max(MINIMUM_DELAY, backoff * share)
}

/** What a function of the user's own gives. A fault in it must not end who asks, nor make a tight loop. */
function delayBy(policy: (retryCount: number) => number, retryCount: number): number | undefined {
  try {
    const delay: unknown = policy(retryCount)
    return typeof delay === 'number' && !Number.isNaN(delay) ? Math.max(0, delay) : undefined
  } catch {
    return undefined
  }
}

const DURATION = { min: 0, max: Number.MAX_SAFE_INTEGER }
const BACKOFF_RULES = {
  base: DURATION,
  factor: { min: 1, max: 1_000 },
  cap: DURATION,
  jitter: { oneOf: ['half', 'full', 'none'] },
} as const
const BACKOFF = { base: undefined, factor: undefined, cap: undefined, jitter: undefined }

/** Checks the option `retry` of `owner`; undefined = the default. Throws `INVALID_OPTION`. */
export function checkRetryPolicy(owner: string, retry: unknown): void {
  if (retry === undefined || retry === 'django' || typeof retry === 'function') return
  const field = `${owner}.retry`
  if (typeof retry === 'object' && retry !== null) {
    resolveOptions(field, retry, BACKOFF, BACKOFF_RULES)
    return
  }
  const message = `${field} is ${showValue(retry)}; give 'django', backoff options or a function`
  throw new BroadcasterError('INVALID_OPTION', message, { field, value: retry })
}
