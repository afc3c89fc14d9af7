import { isMissingDependency, OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { describeReason } from './reason.ts'

const NOT_AUTHORIZED = 0x87
const TOPIC_NAME_INVALID = 0x90
const PACKET_TOO_LARGE = 0x95
const QUOTA_EXCEEDED = 0x97
const PAYLOAD_FORMAT_INVALID = 0x99

/** The server will never take this message. */
const PERMANENT: ReadonlySet<number> = new Set([TOPIC_NAME_INVALID, PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID])

/** Reason codes with which a server ends a connection because of one of the messages on it. */
const ONE_MESSAGE: ReadonlySet<number> = new Set([
  0x81, // malformed packet
  0x82, // protocol error
  ...PERMANENT,
  0x9a, // retain not supported
  0x9b, // QoS not supported
])

/** What an acknowledgement's reason code means for its event. `eachOwnTopic`: the topic is chosen per event. */
export function errorOfReason(reasonCode: number, topic: string, eachOwnTopic: boolean): BroadcasterError {
  const text = `the server did not take the event for the topic '${topic}': ${describeReason(reasonCode)}`
  const details = { field: 'topic', value: topic }
  if (PERMANENT.has(reasonCode)) return new PermanentError(text, details)
  if (reasonCode === QUOTA_EXCEEDED) return new OutageError(text, details)
  // The topic is the same for every event.
  if (reasonCode === NOT_AUTHORIZED && !eachOwnTopic) return new OutageError(text, details)
  return new BroadcasterError('SEND_FAILED', text, details)
}

/**
 * Whether a connection that ended with this reason code, or without one, may have ended because of one of the messages
 * in flight on it, so that they must be sent one by one to find out which.
 */
export function maybeByOneMessage(reasonCode: number | undefined): boolean {
  return reasonCode === undefined || ONE_MESSAGE.has(reasonCode)
}

/** What it means for an event that its connection closed. `alone`: no other message was in flight on it. */
export function errorOfClosing(reasonCode: number | undefined, error: unknown, alone: boolean): BroadcasterError {
  if (reasonCode === undefined) return errorOfConnection(error, 'the connection was lost before the acknowledgement')
  const text = `the server has closed the connection: ${describeReason(reasonCode)}`
  return alone && ONE_MESSAGE.has(reasonCode) ? new PermanentError(text) : new OutageError(text)
}

/** A message that, alone on its connection, ended it more than once although the server answers on the next one. */
export function errorOfSilentClosing(topic: string): BroadcasterError {
  const text = `the server closes the connection on a message to the topic '${topic}' without a reason; see its log`
  return new BroadcasterError('SEND_FAILED', text, { field: 'topic', value: topic })
}

/** No connection, or none any more. */
export function errorOfConnection(error: unknown, what = 'no connection to the MQTT server'): BroadcasterError {
  if (error instanceof OutageError || isMissingDependency(error)) return error
  if (error === undefined) return new OutageError(what)
  return new OutageError(`${what}: ${said(error)}`, { cause: error })
}

function said(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'number' ? describeReason(code) : errorMessage(error)
}
