import { classifySendError } from '../backend/send-error.ts'
import { BroadcasterError, type ErrorCode } from '../errors.ts'
import { boundedDelay, type RetryPolicy, retryDelay } from '../foundation/retry-policy.ts'
import { TransactionFailedError } from './handling.ts'

/** What happens to a delivery whose handling failed. */
export type Verdict =
  /** Tried again after `delay` ms. `counted`: it cost an attempt. */
  | { readonly kind: 'retry'; readonly delay: number; readonly counted: boolean; readonly error: unknown }
  | { readonly kind: 'give-up'; readonly error: unknown }

export interface VerdictOptions {
  readonly retry: RetryPolicy
  readonly maxRetries: number
}

/** Our codes for the same. */
const AGAIN_CODES: ReadonlySet<ErrorCode> = new Set([
  'STORE_BUSY',
  'STORE_UNAVAILABLE',
  'STORE_READ_ONLY',
  'TRANSACTION_CONFLICT',
  // The process is ending, and closed its Broadcaster before its consumer.
  'CLOSED',
])

/** Codes after which the same transaction may simply be run again: PostgreSQL, MySQL and SQLite, each its own. */
const CONFLICTS: ReadonlySet<unknown> = new Set([
  '40001',
  '40P01',
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
  // Prisma's code for it, whatever the database.
  'P2034',
])

/** The wait before a transaction that could not begin, or lost a race, is tried again; in milliseconds. */
const AGAIN = { base: 50, factor: 2, cap: 5_000, jitter: 'full' } as const

/**
 * Decides after a failed attempt. `failures` counts those that cost one, this one included if it does; `uncounted`
 * those in a row that cost none. An outage, a lost race, and a transaction that could not begin say nothing about the
 * event, so they cost nothing, however long they last.
 */
export function verdictOn(
  thrown: unknown,
  failures: number,
  uncounted: number,
  { retry, maxRetries }: VerdictOptions,
  random: number,
): Verdict {
  const began = !(thrown instanceof TransactionFailedError) || thrown.handlersRan
  const error = thrown instanceof TransactionFailedError ? thrown.cause : thrown
  const failure = classifySendError(error)
  const later = boundedDelay('retryAfter' in failure ? (failure.retryAfter ?? 0) : 0)
  if (failure.kind === 'permanent') return { kind: 'give-up', error }
  if (!began || failure.kind !== 'failure' || isConflict(error)) {
    const delay = Math.max(later, retryDelay(AGAIN, uncounted, random))
    return { kind: 'retry', delay, counted: false, error }
  }
  if (failures > maxRetries) return { kind: 'give-up', error }
  return {
    kind: 'retry',
    delay: Math.max(later, boundedDelay(retryDelay(retry, failures, random))),
    counted: true,
    error,
  }
}

function isConflict(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof BroadcasterError && AGAIN_CODES.has(at.code)) return true
    if ('code' in at && CONFLICTS.has(at.code)) return true
    // node:sqlite has one code for everything and keeps SQLite's own beside it; its low byte says busy or locked.
    if ('errcode' in at && typeof at.errcode === 'number' && [5, 6].includes(at.errcode & 0xff)) return true
  }
  return false
}

/** The error of an event in whose handling several processes died; `count` is the broker's. */
export function endedTooManyProcesses(count: number): BroadcasterError {
  return new BroadcasterError(
    'WORKER_DIED',
    `given up before it kills another process: too many have died while they handled it alone; delivered ${count} times`,
  )
}
