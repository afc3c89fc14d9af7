import { OutageError, PermanentError, RetryAfterError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { onOneLine } from './answer-text.ts'
import { nameOf } from './destination.ts'
import type { HttpAnswer } from './exchange.ts'
import { parseRetryAfter } from './retry-after.ts'

/**
 * One address for all events, or one chosen per event. A place that is down or overloaded is an outage either way: of
 * the backend, or of that place alone. An address that does not exist or refuses us is an outage only when it is the
 * one for all: other addresses of the same place may belong to others and must not wait for it.
 */
export type Reach = 'all-events' | 'one-address'

interface OutageDetails {
  readonly cause?: unknown
  readonly retryAfter?: number | undefined
}

/** The error when an address refuses everything. */
export function addressError(reach: Reach, message: string, details: OutageDetails = {}): BroadcasterError {
  if (reach === 'all-events') return placeError(message, details)
  return new RetryAfterError(message, { ...details, retryAfter: details.retryAfter ?? 0 })
}

/** The error when a place refuses everything for now, or cannot be reached. */
export function placeError(message: string, { retryAfter, ...rest }: OutageDetails = {}): OutageError {
  return new OutageError(message, retryAfter === undefined ? rest : { ...rest, retryAfter })
}

/** The error of a send that was cut short: whether or not the event was sent, it is not to blame. */
export function interruption(signal: AbortSignal): BroadcasterError {
  return new BroadcasterError('SEND_NOT_ATTEMPTED', 'the send ended before the destination answered', {
    cause: signal.reason,
  })
}

/** Why a request did not deliver what it carried. */
export interface Refusal {
  readonly error: BroadcasterError
  /**
   * Whether it refuses everything, or would take another message (`message`), the same in parts (`size`) or in more
   * time (`time`).
   */
  readonly refuses: 'everything' | 'message' | 'size' | 'time'
}

/** Statuses by which an address refuses us. */
const REFUSES_US: ReadonlySet<number> = new Set([401, 403, 407])
/** Statuses by which a place says that it accepts nothing now. */
const AWAY: ReadonlySet<number> = new Set([429, 502, 503, 504])
/** Those that may concern one message: a gateway whose service it crashes, or a firewall that blocks it. */
const MAY_REFUSE_ONE: ReadonlySet<number> = new Set([403, 502, 504])
/** How long a destination that answers 410 is left alone, in milliseconds. */
const RETIRED = 60_000
/** Client errors that are not about the event: a timeout, and "too early". */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425])

/** Whether a HEAD must show if this message or everything was refused. */
export function mayRefuseOne({ status }: HttpAnswer): boolean {
  return MAY_REFUSE_ONE.has(status)
}

/**
 * The refusal of this one message, if the answer to a HEAD shows that the destination does not refuse everything. After
 * a 403 only a 2xx shows that: 404 or 405 may be answered before our rights are checked.
 */
export function refusalOfOne({ status }: HttpAnswer, refusal: Refusal, head: HttpAnswer): Refusal | undefined {
  const ofHead = refusalOfAnswer(head, '', 'all-events')
  if (ofHead && (status === 403 || ofHead.refuses === 'everything')) return undefined
  const message = `${refusal.error.message}, though it answers a HEAD with ${head.status}`
  const { error } = refusal
  const wanted = error instanceof OutageError || error instanceof RetryAfterError ? error.retryAfter : undefined
  return { error: failure(message, wanted), refuses: 'message' }
}

function failure(message: string, retryAfter: number | undefined): BroadcasterError {
  if (retryAfter === undefined) return new BroadcasterError('SEND_FAILED', message)
  return new RetryAfterError(message, { retryAfter })
}

/** Where a redirect leads, for people: like `nameOf`, without what may be secret. */
function placeOf(location: string | undefined, from: string): string {
  if (location === undefined) return 'nowhere'
  const place = URL.parse(location, from)
  return place ? onOneLine(nameOf(place), 200) : 'what is not an address'
}

/** What an answer means for the events that were posted; undefined = delivered. `address` is for people. */
export function refusalOfAnswer(answer: HttpAnswer, address: string, reach: Reach): Refusal | undefined {
  const { status, headers, text } = answer
  if (status >= 200 && status < 300) return undefined
  const message = `${address} answered ${status}${text === '' ? '' : `: ${text}`}`
  const retryAfter = parseRetryAfter(headers['retry-after'], headers['date'])
  if (AWAY.has(status)) return { error: placeError(message, { retryAfter }), refuses: 'everything' }
  if (REFUSES_US.has(status)) return { error: addressError(reach, message, { retryAfter }), refuses: 'everything' }
  if (status === 410) {
    // Retired: for a fixed address an outage, which an operator must end, so that nothing is lost. Asks rarely.
    const error = reach === 'one-address' ? new PermanentError(message) : placeError(message, { retryAfter: RETIRED })
    return { error, refuses: 'everything' }
  }
  if (status >= 300 && status < 400) {
    const moved = `${message}; it sends us to ${placeOf(headers['location'], address)}, which is not followed`
    return { error: addressError(reach, moved), refuses: 'everything' }
  }
  if (status >= 500 || TRY_AGAIN.has(status)) {
    return { error: failure(message, retryAfter), refuses: 'message' }
  }
  return { error: new PermanentError(message), refuses: status === 413 ? 'size' : 'message' }
}
