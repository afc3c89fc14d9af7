import { bodyBytes } from '../backend/body-bytes.ts'
import { PermanentError } from '../backend/send-error.ts'
import { encodeBinaryAmqp } from '../event/amqp.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { encodeStructured, STRUCTURED_CONTENT_TYPE } from '../event/structured.ts'
import { errorMessage } from '../foundation/error-message.ts'
import type { PublishProperties } from './client.ts'
import { headerBytes, MOST_HEADER_BYTES, tableBytes } from './header-size.ts'
import { type ResolvedRabbitMqOptions, typeOf } from './options.ts'

/** An event as it is published. */
export interface Message {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly properties: PublishProperties
}

/** The limit of AMQP's short strings, in bytes; a longer one would break the connection, with all events in flight. */
const SHORT_STRING = 255
/** For `publish`, which calls no function of the user's. Throws as `messageOf` does for what cannot be written. */
export function checkMessage(event: OutgoingEvent, { mode, routingKey }: ResolvedRabbitMqOptions): void {
  const encodable = event.toEncodable()
  const type = encodable.attributes['datacontenttype']
  if (mode === 'binary') {
    if (typeof type === 'string') short(type, 'datacontenttype')
    checkHeaders(encodeBinaryAmqp(encodable).headers)
  }
  if (routingKey === typeOf) short(event.type, 'type')
}

/** The message of an event. Throws a `PermanentError` when it cannot be written as one. */
export function messageOf(event: OutgoingEvent, options: ResolvedRabbitMqOptions): Message {
  try {
    const { exchange, routingKey } = options
    const encodable = event.toEncodable()
    const message =
      options.mode === 'binary'
        ? encodeBinaryAmqp(encodable)
        : { contentType: STRUCTURED_CONTENT_TYPE, headers: {}, body: encodeStructured(encodable) }
    if (message.contentType !== undefined) short(message.contentType, 'datacontenttype')
    checkHeaders(message.headers)
    const id = String(encodable.attributes['id'])
    return {
      exchange: short(typeof exchange === 'string' ? exchange : exchange(event), 'exchange'),
      routingKey: short(typeof routingKey === 'string' ? routingKey : routingKey(event), 'routingKey'),
      content: bodyBytes(message.body),
      properties: {
        mandatory: true,
        persistent: true,
        timestamp: Math.floor(event.createdAt.getTime() / 1000),
        headers: message.headers,
        ...(message.contentType === undefined ? {} : { contentType: message.contentType }),
        // Both are in the event too; one that is too long for a property is only there.
        ...(Buffer.byteLength(id) <= SHORT_STRING ? { messageId: id } : {}),
        ...(Buffer.byteLength(event.type) <= SHORT_STRING ? { type: event.type } : {}),
      },
    }
  } catch (cause) {
    if (cause instanceof PermanentError) throw cause
    throw new PermanentError(`the event cannot be written as a message: ${errorMessage(cause)}`, { cause })
  }
}

function short(value: string, field: string): string {
  if (typeof value === 'string' && Buffer.byteLength(value) <= SHORT_STRING) return value
  throw new PermanentError(`the event's ${field} is not a text of at most ${SHORT_STRING} bytes`, { field, value })
}

/** The error names the largest attribute, without its header prefix. */
function checkHeaders(headers: PublishProperties['headers']): void {
  for (const name of Object.keys(headers)) short(name, name)
  const size = tableBytes(headers)
  if (size <= MOST_HEADER_BYTES) return
  const [[largest, value] = ['', '']] = Object.entries(headers).toSorted(
    (one, other) => headerBytes(...other) - headerBytes(...one),
  )
  throw new PermanentError(
    `the event's attributes take ${size} bytes as headers, more than the ${MOST_HEADER_BYTES} that can be written`,
    { field: largest.replace(/^cloudEvents_/, ''), value },
  )
}
