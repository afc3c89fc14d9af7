import { isMissingDependency, OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'

/** AMQP's reply codes that close a channel because of one message, or of its exchange. */
const CONTENT_TOO_LARGE = 311
const ACCESS_REFUSED = 403
export const NOT_FOUND = 404
const PRECONDITION_FAILED = 406

/** AMQP's reply code of an error by amqplib. */
export function replyCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/**
 * Whether a channel closed because of one of the messages in flight on it, so that they must be sent one by one to find
 * out which. `eachOwnExchange`: the exchange is chosen for each event.
 */
export function closedByOneMessage(error: unknown, eachOwnExchange: boolean): boolean {
  const code = replyCode(error)
  if (code === ACCESS_REFUSED) return eachOwnExchange
  return code === PRECONDITION_FAILED || code === CONTENT_TOO_LARGE
}

/** What it means for an event that its channel closed. `alone`: no other message was in flight on it. */
export function errorOfClosedChannel(
  error: unknown,
  exchange: string,
  { eachOwnExchange, alone }: { readonly eachOwnExchange: boolean; readonly alone: boolean },
): BroadcasterError {
  const details = { field: 'exchange', value: exchange, cause: error }
  const said = errorMessage(error)
  switch (replyCode(error)) {
    case NOT_FOUND: {
      const message = `there is no exchange '${exchange}'; declare it (${said})`
      return eachOwnExchange ? new BroadcasterError('SEND_FAILED', message, details) : new OutageError(message, details)
    }
    case ACCESS_REFUSED: {
      const message = `this user may not write to the exchange '${exchange}' (${said})`
      return eachOwnExchange && alone
        ? new BroadcasterError('SEND_FAILED', message, details)
        : new OutageError(message, details)
    }
    case PRECONDITION_FAILED:
    case CONTENT_TOO_LARGE:
      if (alone) return new PermanentError(`RabbitMQ refuses the message: ${said}`, { cause: error })
  }
  return errorOfConnection(error, 'the connection to RabbitMQ was lost before the event was confirmed')
}

/** The client cannot write this message, and never will: a failure of this event. */
export function errorOfUnwritable(error: unknown): PermanentError {
  if (error instanceof PermanentError) return error
  return new PermanentError(`the event cannot be written as a message: ${errorMessage(error)}`, { cause: error })
}

/** No connection, or none any more. */
export function errorOfConnection(error: unknown, what = 'no connection to RabbitMQ'): BroadcasterError {
  if (error instanceof OutageError || isMissingDependency(error)) return error
  return new OutageError(error === undefined ? what : `${what}: ${errorMessage(error)}`, { cause: error })
}
