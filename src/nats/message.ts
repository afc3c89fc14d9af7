import { bodyBytes } from '../backend/body-bytes.ts'
import { chosenBy } from '../backend/chosen-by.ts'
import { PermanentError } from '../backend/send-error.ts'
import { encodeHeaderValue } from '../event/http.ts'
import { encodeBinaryNats, NATS_STRUCTURED_CONTENT_TYPE } from '../event/nats.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { encodeStructured } from '../event/structured.ts'
import type { ResolvedNatsOptions } from './options.ts'
import { isSubject, subjectOf } from './subject.ts'

/** An event as JetStream takes it. */
export interface NatsMessage {
  readonly subject: string
  /** `Nats-Msg-Id`: the stream drops a second message that has it, within its window. */
  readonly id: string
  readonly headers: readonly (readonly [string, string])[]
  readonly payload: Uint8Array
  /** Bytes of payload and headers as the server counts them, or a few more. */
  readonly size: number
}

/** `NATS/1.0`, line ends, and the two headers that the client adds. */
const FRAME = 128
/** JetStream takes no more headers than that in a message. */
export const MOST_HEADER_BYTES = 64 * 1024
/**
 * The subject is in the protocol line before the message, which the server limits to 4 KiB by default: for a longer one
 * it ends the connection, and with it all that is in flight.
 */
const MOST_SUBJECT_BYTES = 3_800

/** The message of an event. Throws a `PermanentError` when it cannot be one. */
export function messageOf(event: OutgoingEvent, { subject: choice, mode, stream }: ResolvedNatsOptions): NatsMessage {
  const subject = chosenBy('subject', () => subjectOf(choice, event), event)
  if (!isSubject(subject)) {
    throw new PermanentError(
      `subject is ${JSON.stringify(subject)}, which has a wildcard, a space or an empty token; return another one`,
      { field: 'subject', value: subject },
    )
  }
  if (Buffer.byteLength(subject) > MOST_SUBJECT_BYTES) {
    const message = `subject has ${Buffer.byteLength(subject)} bytes, and at most ${MOST_SUBJECT_BYTES} can be sent; return a shorter one`
    throw new PermanentError(message, { field: 'subject', value: subject })
  }
  const id = messageId(event.source, event.id)
  let headers: readonly (readonly [string, string])[]
  let payload: Uint8Array
  if (mode === 'structured') {
    headers = [['content-type', NATS_STRUCTURED_CONTENT_TYPE]]
    payload = Buffer.from(encodeStructured(event.toEncodable()))
  } else {
    const message = encodeBinaryNats(event.toEncodable())
    headers = Object.entries(message.headers)
    payload = bodyBytes(message.body)
  }
  const headerSize = headers.reduce((sum, pair) => sum + headerBytes(pair), id.length + stream.name.length + FRAME)
  return { subject, id, headers, payload, size: payload.byteLength + headerSize }
}

/** For `publish`, which calls no function of the user's. Throws a `PermanentError` for what cannot be written. */
export function checkMessage(event: OutgoingEvent, { mode }: ResolvedNatsOptions): void {
  if (mode !== 'binary') return
  const { headers } = encodeBinaryNats(event.toEncodable())
  const pairs = Object.entries(headers)
  const size = pairs.reduce((sum, pair) => sum + headerBytes(pair), messageId(event.source, event.id).length + FRAME)
  if (size <= MOST_HEADER_BYTES) return
  const [[largest, value] = ['', '']] = pairs.toSorted((one, other) => headerBytes(other) - headerBytes(one))
  throw new PermanentError(
    `the event's attributes take ${size} bytes as headers, and JetStream takes ${MOST_HEADER_BYTES}`,
    {
      field: largest.replace(/^ce-/, ''),
      value,
    },
  )
}

/** The bytes of one header as the server counts them. */
export function headerBytes([name, value]: readonly [string, string]): number {
  return name.length + Buffer.byteLength(value) + 4
}

/** CloudEvents are the same when source and id are: both, escaped as in headers, with a space between. */
export function messageId(source: string, id: string): string {
  return `${encodeHeaderValue(source)} ${encodeHeaderValue(id)}`
}
