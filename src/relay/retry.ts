import type { FailureClass } from '../backend/send-error.ts'
import { boundedDelay, type RetryPolicy, retryDelay } from '../retry-policy.ts'

/** What a failed attempt makes of the event. */
export type FailureDecision =
  | { readonly kind: 'retry'; readonly retryCount: number; readonly delay: number }
  | { readonly kind: 'failed'; readonly retryCount: number }

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
  if (failure.kind === 'permanent' || retryCount >= maxRetries) return { kind: 'failed', retryCount }
  const delay = retryDelay(policy, retryCount, random)
  return { kind: 'retry', retryCount, delay: Math.max(boundedDelay(delay), boundedDelay(failure.retryAfter ?? 0)) }
}
