import { BroadcasterError } from '../../errors.ts'
import { OutageError, PermanentError, RetryAfterError } from '../send-error.ts'
import type { Answer } from './exchange.ts'
import { parseRetryAfter } from './retry-after.ts'

/**
 * How far an error reaches. One address for all events: a destination that is away is an outage of the backend. An
 * address of its own for each event: it is a failure of the event, since an outage would keep all the other
 * destinations waiting for the one that is away.
 */
export type Reach = 'all-events' | 'one-event'

/** The destination refuses everything for now, or cannot be reached. */
export function destinationError(
  reach: Reach,
  message: string,
  details: { readonly cause?: unknown; readonly retryAfter?: number | undefined } = {},
): BroadcasterError {
  const { retryAfter, ...rest } = details
  if (reach === 'one-event') return new RetryAfterError(message, { ...rest, retryAfter: retryAfter ?? 0 })
  return new OutageError(message, retryAfter === undefined ? rest : { ...rest, retryAfter })
}

/** Statuses by which a destination refuses everybody, or us. */
const REFUSES_EVERYTHING: ReadonlySet<number> = new Set([401, 403, 407, 429, 502, 503, 504])
/** Client errors that say nothing against the event: a timeout, and "too early". */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425])

/** What an answer means for the event; undefined = delivered. `address` is for people. */
export function errorOfAnswer(answer: Answer, address: string, reach: Reach): BroadcasterError | undefined {
  const { status, headers, text } = answer
  if (status >= 200 && status < 300) return undefined
  const message = `${address} answered ${status}${text === '' ? '' : `: ${text}`}`
  const retryAfter = parseRetryAfter(headers['retry-after'], headers['date'])
  if (REFUSES_EVERYTHING.has(status)) return destinationError(reach, message, { retryAfter })
  if (status >= 300 && status < 400) {
    return destinationError(
      reach,
      `${message}; it sends us to ${headers['location'] ?? 'nowhere'}, which is not followed`,
    )
  }
  if (status >= 500 || TRY_AGAIN.has(status)) {
    return retryAfter === undefined
      ? new BroadcasterError('SEND_FAILED', message)
      : new RetryAfterError(message, { retryAfter })
  }
  return new PermanentError(message)
}
