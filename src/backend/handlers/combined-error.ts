import { BroadcasterError } from '../../errors.ts'
import { errorMessage } from '../../foundation/error-message.ts'
import { isNotAttempted } from '../backend.ts'
import { OutageError, PermanentError, RetryAfterError } from '../send-error.ts'

/** A handler that did not succeed. */
export interface HandlerFailure {
  readonly name: string
  readonly error: unknown
}

/**
 * What the failures of an event's handlers mean together, by the class of each error. A network error of a handler
 * arrives here as an `OutageError` that names the handler, unless breakers are switched off.
 *
 * 1. Any plain failure, or `RetryAfterError`: the event is tried again, after the longest time that one asked for.
 * 2. Else any `OutageError`: an outage; of the handler that it names, with which the progress of the others is stored.
 *    One that names none is an outage of all, which stores no progress, so that a handler that succeeded in this very
 *    attempt would run again with each probe: then it is a failure, this once, and an outage from then on.
 * 3. Else any that was interrupted: not attempted.
 * 4. All are `PermanentError`: permanent.
 */
export function combinedError(failures: readonly HandlerFailure[], someSucceeded: boolean): BroadcasterError {
  const errors = failures.map(({ error }) => error)
  const message = failures.map(({ name, error }) => `handler '${name}': ${errorMessage(error)}`).join('; ')
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, message)
  const retryAfter = Math.max(0, ...errors.map(retryAfterOf))

  const plain = errors.some((error) => !isOutage(error) && !isNotAttempted(error) && !(error instanceof PermanentError))
  const outages = errors.filter(isOutage)
  const outage = outages.length > 0
  const names = outages.map((error) => (error instanceof OutageError ? error.destination : undefined))
  const destination = names.includes(undefined) ? undefined : names[0]
  // RetryAfterError even for 0 ms: its class settles the matter, whatever system error is among the causes.
  if (plain || (outage && someSucceeded && destination === undefined))
    return new RetryAfterError(message, { cause, retryAfter })
  if (outage) return new OutageError(message, { cause, retryAfter, ...(destination && { destination }) })
  const interrupted = errors.find(isNotAttempted)
  if (interrupted) return new BroadcasterError('SEND_NOT_ATTEMPTED', message, { cause })
  return new PermanentError(message, { cause })
}

function isOutage(error: unknown): boolean {
  return error instanceof BroadcasterError && error.code === 'SEND_OUTAGE'
}

function retryAfterOf(error: unknown): number {
  const asked: unknown = error instanceof RetryAfterError || error instanceof OutageError ? error.retryAfter : 0
  return typeof asked === 'number' && asked > 0 ? asked : 0
}
