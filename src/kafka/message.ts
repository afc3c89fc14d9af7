import { bodyBytes } from '../backend/body-bytes.ts'
import { PermanentError } from '../backend/send-error.ts'
import { encodeBinaryKafka } from '../event/kafka.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { encodeStructured, STRUCTURED_CONTENT_TYPE } from '../event/structured.ts'
import type { ResolvedKafkaOptions } from './options.ts'
import { topicOf } from './topic.ts'

/** An event as Kafka takes it. */
export interface KafkaMessage {
  readonly topic: string
  readonly key: Buffer | undefined
  readonly value: Buffer | undefined
  readonly headers: ReadonlyMap<Buffer, Buffer>
  /** Its bytes in a batch, or a few more. */
  readonly size: number
}

/** Bytes for the lengths and deltas of a record, and of each header. */
const FRAME = 40
const HEADER_FRAME = 8
/**
 * Kafka ends the connection of a client that sends a larger request (`socket.request.max.bytes`), and with it all that
 * is in flight.
 */
const MOST_BYTES = 99 * 1024 * 1024
/** Header names are few and short: a buffer is made once for each. */
const names = new Map<string, Buffer>()

/** The headers of every message in structured mode. */
const STRUCTURED_HEADERS: ReadonlyMap<Buffer, Buffer> = new Map([
  [Buffer.from('content-type'), Buffer.from(STRUCTURED_CONTENT_TYPE)],
])
const STRUCTURED_SIZE = FRAME + HEADER_FRAME + 'content-type'.length + STRUCTURED_CONTENT_TYPE.length

/** For `publish`, which calls no function of the user's. Throws a `PermanentError` for what cannot be written. */
export function checkMessage(event: OutgoingEvent, { topic }: ResolvedKafkaOptions): void {
  if (typeof topic === 'string') topicOf(topic, event, 'type')
}

/** The message of an event. Throws a `PermanentError` when it cannot be one. */
export function messageOf(event: OutgoingEvent, options: ResolvedKafkaOptions): KafkaMessage {
  const topic = topicOf(options.topic, event)
  const encodable = event.toEncodable()
  if (options.mode === 'structured') {
    const key = event.partitionKey === undefined ? undefined : Buffer.from(event.partitionKey)
    const value = Buffer.from(encodeStructured(encodable))
    const size = STRUCTURED_SIZE + (key?.length ?? 0) + value.length
    return notTooLarge({ topic, key, value, headers: STRUCTURED_HEADERS, size })
  }
  const record = encodeBinaryKafka(encodable)
  const key = record.key === null ? undefined : Buffer.from(record.key)
  const value = record.value === null ? undefined : bodyBytes(record.value)
  const headers = new Map<Buffer, Buffer>()
  let size = FRAME + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, text] of Object.entries(record.headers)) {
    const content = Buffer.from(text)
    headers.set(nameOf(name), content)
    size += name.length + content.length + HEADER_FRAME
  }
  return notTooLarge({ topic, key, value, headers, size })
}

function notTooLarge(message: KafkaMessage): KafkaMessage {
  if (message.size <= MOST_BYTES) return message
  const text = `the event takes ${message.size} bytes, and a request to Kafka has ${MOST_BYTES} at most`
  throw new PermanentError(text, { field: 'data', value: message.size })
}

function nameOf(name: string): Buffer {
  const known = names.get(name)
  if (known) return known
  const made = Buffer.from(name)
  // Extension attributes come from outside: they must not fill our memory.
  if (names.size < 1_000) names.set(name, made)
  return made
}
