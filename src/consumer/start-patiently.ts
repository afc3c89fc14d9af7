import { classifySendError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { Pause } from '../foundation/pause.ts'
import { retryDelay } from '../foundation/retry-policy.ts'

/** Waits while the database or the broker is down. */
const AGAIN = { base: 100, factor: 2, cap: 5_000, jitter: 'full' } as const

export interface StartParts {
  /** What must succeed, one after the other; each may be tried again after it failed. */
  readonly steps: readonly (() => Promise<unknown>)[]
  readonly failFast: boolean
  readonly pause: Pause
  readonly isOver: () => boolean
  /** Called with each failure that is waited out. */
  readonly onError: (error: unknown) => void
}

/**
 * Does the steps of a start. Waits for what is down, and throws only what waiting cannot fix, such as a database that
 * has no outbox. Resolves with false when it was stopped before its end.
 */
export async function startPatiently({ steps, failFast, pause, isOver, onError }: StartParts): Promise<boolean> {
  for (const step of steps) {
    for (let attempt = 1; ; attempt++) {
      if (isOver()) return false
      try {
        await step()
        break
      } catch (error) {
        if (isOver()) return false
        if (failFast || !isAway(error)) throw error
        onError(error)
        await pause.sleep(retryDelay(AGAIN, attempt, Math.random()))
      }
    }
  }
  return true
}

function isAway(error: unknown): boolean {
  if (error instanceof BroadcasterError && !error.retryable) return false
  return classifySendError(error).kind === 'outage' || (error instanceof BroadcasterError && error.retryable)
}
