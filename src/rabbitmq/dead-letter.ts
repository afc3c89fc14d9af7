import { errorText } from '../consumer/error-text.ts'
import { fitHeaders, LEFT_OUT, leftOutText } from '../consumer/fit-headers.ts'
import type { DeadLetterReason } from '../consumer/subscription.ts'
import { uuidV7 } from '../event/uuid.ts'
import type { PublishProperties } from './client.ts'
import { headerBytes, tableBytes } from './header-size.ts'
import type { Message } from './message.ts'

type ConsumeMessage = import('amqplib').ConsumeMessage

/** Not copied: a dead letter must not expire, and RabbitMQ accepts a user's id only from that user. */
const PROPERTIES_LEFT_OUT: ReadonlySet<string> = new Set(['expiration', 'userId'])
/** RabbitMQ also routes a message by these: it would go to those queues a second time. */
const ROUTING: ReadonlySet<string> = new Set(['CC', 'BCC'])

/** The header with a dead letter's id, since messages in a queue have none. It begins with the time. */
export const LETTER_ID = 'broadcaster-id'

/**
 * A dead letter: the message that was given up, with the reason among its headers. Headers of the message that do not
 * fit in `room` bytes beside ours are left out, the largest first.
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
    // The names of what was left out have to fit as well.
    ;({ kept, leftOut } = fitHeaders(others, whole - headerBytes(LEFT_OUT, 'x'.repeat(4_000)), headerBytes))
    ours[LEFT_OUT] = leftOutText(leftOut)
  }
  return messageTo(queues.deadLetters, content, given, [...kept, ...Object.entries(ours)])
}

/** A persistent message directly to one queue, through the default exchange. */
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
