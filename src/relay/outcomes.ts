import { notDelivered, type SendResult } from '../backend/backend.ts'
import { classifySendError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { stringifyJson } from '../event/json.ts'
import { describeError } from '../foundation/describe-error.ts'
import { boundedDelay, type RetryPolicy } from '../foundation/retry-policy.ts'
import type { Outcome } from '../store/relay-store.ts'
import type { ReadRow } from './bounded-fetch.ts'
import { destinationName } from './destination-name.ts'
import { attemptOf, type HeldEvent, hasKilledEnough } from './held-event.ts'
import { countAttempt, decideFailure } from './retry.ts'

/** The backend as a whole is down, or the place behind it that `destination` names. */
export interface Outage {
  readonly kind: 'outage'
  readonly error: unknown
  readonly retryAfter: number
  readonly destination: string | undefined
  /** What a backend remembers of the event, as JSON. */
  readonly progress: string | undefined
}

/** What one event of a send came to. */
export type SendVerdict =
  | { readonly kind: 'settle'; readonly outcome: Outcome; readonly error?: unknown }
  | Outage
  /** It was not sent; the backend is not to blame. */
  | { readonly kind: 'not-attempted' }

export interface FailurePolicy {
  readonly retry: RetryPolicy
  readonly onFailed: 'block' | 'skip'
  /** What was delivered is deleted in place of being kept as published. */
  readonly erasePublished: boolean
  /** The longest that a backend may ask for, in milliseconds. */
  readonly maxRetryAfter: number
  /** In [0, 1). */
  readonly random: () => number
}

/** Turns the result of one event into what must be recorded. Pure except for `policy.random`. */
export function judge(held: HeldEvent, result: SendResult | undefined, policy: FailurePolicy): SendVerdict {
  const given =
    result ?? notDelivered(new BroadcasterError('SEND_FAILED', 'the backend returned no result for this event'))
  // What nearly all events come to is one object, and no copies of others.
  if (given.ok && given.progress === undefined && !held.alone && !policy.erasePublished) {
    const { id, lane, generation } = held
    return { kind: 'settle', outcome: { kind: 'published', id, lane: lane.number, generation } }
  }
  const progress = given.progress === undefined ? {} : { progress: progressOf(given.progress) }
  if (given.ok) {
    // It has killed nobody: the attempt that was counted before the send is taken back.
    const count = held.alone ? { retryCount: held.retryCount } : {}
    const more = policy.erasePublished ? ({ erase: true } as const) : { ...progress, ...count }
    return { kind: 'settle', outcome: { kind: 'published', ...attemptOf(held), ...more } }
  }

  const failure = classifySendError(given.error)
  if (failure.kind === 'outage') {
    const destination = (failure.destination && destinationName(failure.destination)) || held.destination
    const retryAfter = askedFor(failure.retryAfter, policy)
    return { kind: 'outage', error: given.error, retryAfter, destination, progress: progress.progress }
  }
  if (failure.kind === 'not-attempted') return { kind: 'not-attempted' }

  // An event sent alone had this attempt counted before the send.
  const retryCount = countAttempt(held.retryCount)
  const asked = 'retryAfter' in failure ? { ...failure, retryAfter: askedFor(failure.retryAfter, policy) } : failure
  const decision = decideFailure(asked, retryCount, held.maxRetries, policy.retry, policy.random())
  const error = describeError(given.error)
  const outcome: Outcome =
    decision.kind === 'retry'
      ? { kind: 'retry', ...attemptOf(held), retryCount, delay: decision.delay, error, ...progress }
      : { kind: 'failed', ...attemptOf(held), retryCount, blocks: blocks(held, policy), error, ...progress }
  return { kind: 'settle', outcome, error: given.error }
}

/** What a send says of the backend; `unknown`: nothing was handed over. */
export type SendAnswer = 'up' | 'down' | 'unknown'

/** What one send came to. */
export interface Judgement {
  /** One per event; undefined = recorded already, in one transaction with the handler's own writes. */
  readonly verdicts: readonly (SendVerdict | undefined)[]
  readonly answer: SendAnswer
  /** The first outage of the backend as a whole among them. */
  readonly outage: Outage | undefined
}

/** Judges all results of a send; `settled` are the ids already recorded. */
export function judgeAll(
  batch: readonly HeldEvent[],
  results: readonly (SendResult | undefined)[],
  settled: ReadonlySet<string>,
  policy: FailurePolicy,
): Judgement {
  const verdicts = batch.map((held, n) => (settled.has(held.id) ? undefined : judge(held, results[n], policy)))
  const outage = verdicts.find((verdict) => verdict?.kind === 'outage' && verdict.destination === undefined)
  const isUp = verdicts.some((verdict) => verdict?.kind !== 'outage' && verdict?.kind !== 'not-attempted')
  return {
    verdicts,
    outage: outage?.kind === 'outage' ? outage : undefined,
    answer: outage ? 'down' : isUp ? 'up' : 'unknown',
  }
}

/** A day for one answer of a server that was busy for a moment is too long. */
function askedFor(retryAfter: unknown, { maxRetryAfter }: FailurePolicy): number {
  return Math.min(maxRetryAfter, boundedDelay(retryAfter))
}

/** What was sent stays sent, whatever the backend says about it. */
function progressOf(progress: unknown): string {
  try {
    return stringifyJson(progress, 'progress')
  } catch (error) {
    return JSON.stringify({ error: describeError(error) })
  }
}

/** An event that killed its worker as often as it may be tried. */
function judgeWorkerKiller(held: HeldEvent, policy: FailurePolicy): SendVerdict {
  const error = new BroadcasterError(
    'WORKER_DIED',
    `gave up: the worker died while it sent this event, and all ${held.maxRetries} attempts are spent`,
  )
  const outcome: Outcome = {
    kind: 'failed',
    ...attemptOf(held),
    retryCount: held.retryCount,
    blocks: blocks(held, policy),
    error: error.message,
  }
  return { kind: 'settle', outcome, error }
}

/** What becomes of an event that is not to be sent at all; undefined = it is. */
export function judgeUnsent(held: HeldEvent, row: ReadRow, policy: FailurePolicy): SendVerdict | undefined {
  if (hasKilledEnough(held)) return judgeWorkerKiller(held, policy)
  if (row.unreadable === undefined) return undefined
  const message = `its data could not be read: ${describeError(row.unreadable)}`
  return judge(held, notDelivered(new BroadcasterError('SEND_FAILED', message, { cause: row.unreadable })), policy)
}

function blocks(held: HeldEvent, policy: FailurePolicy): boolean {
  return held.key !== null && policy.onFailed === 'block'
}
