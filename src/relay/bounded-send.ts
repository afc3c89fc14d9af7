import { notAttempted, type SendResult } from '../backend/backend.ts'
import { classifySendError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { GrantedTime } from './granted-time.ts'
import type { HeldEvent } from './held-event.ts'
import type { Lease } from './lease.ts'
import { readResults } from './read-results.ts'

/** How long a backend that ignores its abort signal is waited for beyond its timeout, in ms; a quarter of that at most. */
const ABORT_GRACE = 1_000
/** A send that took this much longer, in ms, says nothing about the backend: this process was frozen meanwhile. */
const OVERDUE = 1_000

/** What came back of a send. */
export type BoundedAnswer =
  /** A result per event; undefined where the backend gave none that can be read. */
  | { readonly kind: 'results'; readonly results: readonly (SendResult | undefined)[] }
  /** It ended as a whole, without a word on any event. */
  | { readonly kind: 'threw'; readonly error: unknown }
  /** It did not end, or only because it was aborted. */
  | { readonly kind: 'hung'; readonly error: unknown; readonly results: readonly (SendResult | undefined)[] }
  /** It was cut short by us: nothing is to be learnt from it. */
  | { readonly kind: 'interrupted' }

/** Within what a send must end. */
export interface SendLimits {
  readonly lease: Lease
  /** Milliseconds. */
  readonly timeout: number
}

/** Hands events to the backend, within its timeout and the lease. Never rejects. */
export async function boundedSend(
  { lease, timeout }: SendLimits,
  events: readonly HeldEvent[],
  send: (signal: AbortSignal) => unknown,
): Promise<BoundedAnswer> {
  if (!lease.allows(timeout)) return { kind: 'interrupted' }
  const began = { monotonic: performance.now(), wall: Date.now() }
  const stop = new AbortController()
  const ended = lease.signal
  const onLeaseEnd = (): void => stop.abort(ended.reason)
  ended.addEventListener('abort', onLeaseEnd)
  const late = Promise.withResolvers<'late'>()
  let grace: GrantedTime | undefined
  stop.signal.addEventListener('abort', () => {
    grace = new GrantedTime(Math.min(ABORT_GRACE, timeout / 4), () => late.resolve('late'))
  })
  const time = new GrantedTime(timeout, () => stop.abort(timedOut(timeout)))
  let answer: BoundedAnswer
  try {
    const given = await Promise.race([send(stop.signal), late.promise])
    const results = given === 'late' ? undefined : readResults(given, events.length)
    const none = events.map(() => undefined)
    if (given === 'late') answer = { kind: 'hung', error: stop.signal.reason, results: none }
    else if (results === undefined) answer = { kind: 'results', results: none }
    else if (stop.signal.aborted) {
      answer = {
        kind: 'hung',
        error: stop.signal.reason,
        results: results.map((result) => (endedByUs(result, stop) ? undefined : result)),
      }
    } else answer = { kind: 'results', results }
  } catch (error) {
    const none = events.map(() => undefined)
    answer =
      stop.signal.aborted && !isOutage(error)
        ? { kind: 'hung', error: stop.signal.reason, results: none }
        : { kind: 'threw', error }
  } finally {
    time.cancel()
    grace?.cancel()
    ended.removeEventListener('abort', onLeaseEnd)
  }
  const took = Math.max(performance.now() - began.monotonic, Date.now() - began.wall)
  const allowed = timeout + Math.min(ABORT_GRACE, timeout / 4) + OVERDUE
  return ended.aborted || took > allowed ? withoutBlame(answer) : answer
}

/** Made when it is needed: to note where it was made takes 40 us, as much as a small send. */
function timedOut(timeout: number): BroadcasterError {
  return new BroadcasterError('SEND_TIMEOUT', `the backend did not answer within ${timeout} ms`)
}

/** What was delivered was; anything else may be our own doing. */
function withoutBlame(answer: BoundedAnswer): BoundedAnswer {
  if (answer.kind !== 'results' && answer.kind !== 'hung') return { kind: 'interrupted' }
  return { kind: 'results', results: answer.results.map((result) => (result?.ok ? result : notAttempted)) }
}

function isOutage(error: unknown): boolean {
  return classifySendError(error).kind === 'outage'
}

/** A failure that only says that the signal aborted. */
function endedByUs(result: SendResult | undefined, stop: AbortController): boolean {
  if (result === undefined || result.ok) return false
  try {
    for (let at = result.error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
      if (at === stop.signal.reason || at.name === 'AbortError') return true
    }
  } catch {
    // A getter threw: an error of its own.
  }
  return false
}
