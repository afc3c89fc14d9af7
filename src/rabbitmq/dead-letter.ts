import { errorText } from '../consumer/error-text.ts'
import { fitHeaders, LEFT_OUT, leftOutText } from '../consumer/fit-headers.ts'
import type { DeadLetterReason } from '../consumer/subscription.ts'
import { uuidV7 } from '../event/uuid.ts'
import type { PublishProperties } from './client.ts'
import { headerBytes, tableBytes } from './header-size.ts'
import type { Message } from './message.ts'

type ConsumeMessage = import('amqplib').ConsumeMessage

/** Not of a dead letter: it would end one day, and RabbitMQ takes a user's id from that user alone. */
const PROPERTIES_LEFT_OUT: ReadonlySet<string> = new Set(['expiration', 'userId'])
/** RabbitMQ sends a message to the queues that these name, too: it would go to them a second time. */
const ROUTING: ReadonlySet<string> = new Set(['CC', 'BCC'])

/** What names a dead letter, in a queue that has no names for its messages. It begins with the time. */
export const LETTER_ID = 'broadcaster-id'

/**
 * The message of a dead letter: the one that was given up, with the reason among its headers. What of the message's own
 * headers does not fit in `room` bytes beside ours is left out, the largest first.
 */
export function deadLetterOf(
  { content, fields, properties }: ConsumeMessage,
  queues: { readonly queue: string; readonly deadLetters: string },
  { consumer, error, attempts }: DeadLetterReason,
  room: number,
): Message {
  const given = Object.entries(properties).filter(
    ([name, value]) => value !== undefined && !PROPERTIES_LEFT_OUT.has(name),
  )
  const userId: unknown = properties.userId
  const own = Object.entries((properties.headers ?? {}) as PublishProperties['headers'])
  const ours: Record<string, unknown> = {
    [LETTER_ID]: uuidV7(),
    'broadcaster-consumer': consumer,
    'broadcaster-error': errorText(error),
    'broadcaster-attempts': attempts,
    'broadcaster-queue': queues.queue,
    'broadcaster-exchange': fields.exchange,
    'broadcaster-routing-key': fields.routingKey,
    ...(typeof userId === 'string' && { 'broadcaster-user-id': userId }),
    ...Object.fromEntries(own.flatMap(([name, value]) => (ROUTING.has(name) ? [[`broadcaster-${name}`, value]] : []))),
  }
  const others = own.filter(([name]) => !ROUTING.has(name) && !(name in ours))
  const whole = room - tableBytes(ours)
  let { kept, leftOut } = fitHeaders(others, whole, headerBytes)
  if (leftOut.length > 0) {
    // Their names have to fit, too.
    ;({ kept, leftOut } = fitHeaders(others, whole - headerBytes(LEFT_OUT, 'x'.repeat(4_000)), headerBytes))
    ours[LEFT_OUT] = leftOutText(leftOut)
  }
  return messageTo(queues.deadLetters, content, given, [...kept, ...Object.entries(ours)])
}

/** A message for one queue alone, past all exchanges, and kept on disk. */
export function messageTo(
  queue: string,
  content: Buffer,
  properties: readonly (readonly [string, unknown])[],
  headers: readonly (readonly [string, unknown])[],
): Message {
  return {
    exchange: '',
    routingKey: queue,
    content,
    properties: {
      timestamp: Math.floor(Date.now() / 1_000),
      ...Object.fromEntries(properties),
      mandatory: true,
      persistent: true,
      headers: Object.fromEntries(headers) as PublishProperties['headers'],
    },
  }
}
