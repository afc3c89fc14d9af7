import { encodeHeaderValue } from '../../event/http.ts'
import { encodeBinaryNats, NATS_STRUCTURED_CONTENT_TYPE } from '../../event/nats.ts'
import { encodeStructured } from '../../event/structured.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { PermanentError } from '../send-error.ts'
import type { ResolvedNatsOptions } from './options.ts'
import { isSubject, subjectOf } from './subject.ts'

/** An event as JetStream takes it. */
export interface NatsMessage {
  readonly subject: string
  /** `Nats-Msg-Id`: the stream drops a second message that has it, within its window. */
  readonly id: string
  readonly headers: readonly (readonly [string, string])[]
  readonly payload: Uint8Array
  /** Bytes of payload and headers, as the server counts them (a few more at most). */
  readonly size: number
}

const NOTHING = new Uint8Array()
/** `NATS/1.0`, line ends, and the two headers that the client adds. */
const FRAME = 128

/** The message of an event. Throws a `PermanentError` when it cannot be one. */
export function messageOf(event: OutboxEvent, { subject: choice, mode, stream }: ResolvedNatsOptions): NatsMessage {
  const subject = callSubject(choice, event)
  if (!isSubject(subject)) {
    throw new PermanentError(
      `subject is ${JSON.stringify(subject)}, which has a wildcard, a space or an empty token; return another one`,
      { field: 'subject', value: subject },
    )
  }
  const id = messageId(event.source, event.eventId)
  let headers: readonly (readonly [string, string])[]
  let payload: Uint8Array
  if (mode === 'structured') {
    headers = [['content-type', NATS_STRUCTURED_CONTENT_TYPE]]
    payload = Buffer.from(encodeStructured(event.toEncodable()))
  } else {
    const message = encodeBinaryNats(event.toEncodable())
    headers = Object.entries(message.headers)
    payload = typeof message.body === 'string' ? Buffer.from(message.body) : (message.body ?? NOTHING)
  }
  let size = payload.byteLength + id.length + stream.name.length + FRAME
  for (const [name, value] of headers) size += name.length + value.length + 4
  return { subject, id, headers, payload, size }
}

/** CloudEvents call an event the same when source and id are: both, escaped as in headers, with a space between them. */
export function messageId(source: string, id: string): string {
  return `${encodeHeaderValue(source)} ${encodeHeaderValue(id)}`
}

function callSubject(choice: ResolvedNatsOptions['subject'], event: OutboxEvent): unknown {
  try {
    return subjectOf(choice, event)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PermanentError(`the function subject threw: ${reason}`, { field: 'subject', cause })
  }
}
