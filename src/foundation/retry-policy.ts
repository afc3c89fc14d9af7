import { duration, nested, number, oneOf } from './option-kinds.ts'
import type { Option, OptionsOf, Refuse } from './option-table.ts'
import { showValue } from './problem.ts'

const FROM_ZERO = { min: 0, max: Number.MAX_SAFE_INTEGER }

/** Exponential backoff: `base * factor^(retryCount - 1)`, at most `cap`. */
export const BACKOFF = {
  /** The first wait, in milliseconds. Default 1,000. */
  base: duration(1_000, FROM_ZERO),
  /** By how much each wait is longer than the one before. Default 2. */
  factor: number(2, { min: 1, max: 1_000 }),
  /** The longest wait, in milliseconds. Default 3,600,000 (one hour). */
  cap: duration(3_600_000, FROM_ZERO),
  /**
   * `half`: a random time between half of the backoff and all of it, so that many events do not return at once and none
   * uses up its retries in less than half of the time ("equal jitter", AWS Architecture Blog, 2015). `full`: between 0
   * and all of it. `none`: exactly the backoff. Default `half`.
   */
  jitter: oneOf('half', 'half', 'full', 'none'),
}
/** Exponential backoff: `base * factor^(retryCount - 1)`, at most `cap`. */
export type BackoffOptions = OptionsOf<typeof BACKOFF>

/**
 * How long an event waits after its n-th failed attempt. `'django'` is Django Broadcaster's schedule, 2^n minutes; a
 * function gets n (from 1) and returns milliseconds; when it throws or returns no number, the default backoff is used.
 */
export type RetryPolicy = BackoffOptions | 'django' | ((retryCount: number) => number)

/** Retries after the first attempt by default: with the default backoff they last half an hour or more. */
export const DEFAULT_RETRIES = 12

/** No attempt follows another sooner than this, in milliseconds: a jitter of 0 would be a tight loop. */
const MINIMUM_DELAY = 50

/** The longest wait, in milliseconds (a year): a time that the database cannot hold would make every settle fail. */
const MAXIMUM_DELAY = 365 * 24 * 60 * 60 * 1_000

/** A wait from elsewhere as one that every store can add to its clock: 0 to a year; what is not a number is 0. */
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

/** The answer of a user's function. A bug in it must neither end its caller nor cause a tight loop. */
function delayBy(policy: (retryCount: number) => number, retryCount: number): number | undefined {
  try {
    const delay: unknown = policy(retryCount)
    return typeof delay === 'number' && !Number.isNaN(delay) ? Math.max(0, delay) : undefined
  } catch {
    return undefined
  }
}

/** The option `retry`; `fallback` where it is left out. */
export function retryOption(fallback: BackoffOptions): Option<RetryPolicy> {
  const backoff = nested(BACKOFF)
  const wanted = "'django', backoff options or a function"
  const read = (value: unknown, refuse: Refuse): RetryPolicy => {
    if (value === 'django' || typeof value === 'function') return value as RetryPolicy
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return backoff.read(value, refuse)
    refuse(`is ${showValue(value)}; give ${wanted}`, { value })
    return fallback
  }
  return { wanted, fallback, read }
}
