import type { FailureClass } from '../backend/send-error.ts'
import { boundedDelay, type RetryPolicy, retryDelay } from '../foundation/retry-policy.ts'

/** What a failed attempt makes of the event. */
export type FailureDecision =
  | { readonly kind: 'retry'; readonly retryCount: number; readonly delay: number }
  | { readonly kind: 'failed'; readonly retryCount: number }

/** The most that the column of every database holds. Attempts are not counted beyond it, so it is the end of any event. */
export const MOST_ATTEMPTS = 2 ** 31 - 1

/**
 * One attempt more. Plain SQL may have put the count where nothing can be added to it: it stays there, for an outcome that
 * does not fit its column is recorded nowhere, and the event would be sent for ever.
 */
export function countAttempt(retryCount: number): number {
  return Math.max(retryCount, Math.min(retryCount + 1, MOST_ATTEMPTS))
}

/**
 * Decides after an attempt that cost a retry. `retryCount` already counts it; at `maxRetries` the event has failed.
 */
export function decideFailure(
  failure: Extract<FailureClass, { kind: 'failure' | 'permanent' }>,
  retryCount: number,
  maxRetries: number,
  policy: RetryPolicy,
  random: number,
): FailureDecision {
  const most = Math.min(maxRetries, MOST_ATTEMPTS)
  if (failure.kind === 'permanent' || retryCount >= most) return { kind: 'failed', retryCount }
  const delay = retryDelay(policy, retryCount, random)
  return { kind: 'retry', retryCount, delay: Math.max(boundedDelay(delay), boundedDelay(failure.retryAfter ?? 0)) }
}

/**
 * A policy that always has an answer: where the user's function throws or returns no number, that is reported once, and
 * NaN makes `retryDelay` use the default backoff. What else came of the same send must not depend on it.
 */
export function reliablePolicy(policy: RetryPolicy, onError: (error: unknown) => void): RetryPolicy {
  if (typeof policy !== 'function') return policy
  let reported = false
  return (retryCount) => {
    try {
      const delay: unknown = policy(retryCount)
      if (typeof delay === 'number') return delay
      throw new TypeError(`worker.retry returned a ${typeof delay}; return a number of milliseconds`)
    } catch (error) {
      if (!reported) onError(error)
      reported = true
      return Number.NaN
    }
  }
}
