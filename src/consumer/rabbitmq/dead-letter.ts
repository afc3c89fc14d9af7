import type { PublishProperties } from '../../backend/rabbitmq/client.ts'
import type { Message } from '../../backend/rabbitmq/message.ts'
import { errorText } from '../error-text.ts'
import type { DeadLetterReason } from '../subscription.ts'

type ConsumeMessage = import('amqplib').ConsumeMessage

/** Not of a dead letter: it would end one day, and RabbitMQ takes a user's id from that user alone. */
const LEFT_OUT: ReadonlySet<string> = new Set(['expiration', 'userId'])

/** The message of a dead letter: the one that was given up, with the reason among its headers. */
export function deadLetterOf(
  { content, fields, properties }: ConsumeMessage,
  queues: { readonly queue: string; readonly deadLetters: string },
  { consumer, error, attempts }: DeadLetterReason,
): Message {
  const given = Object.entries(properties).filter(([name, value]) => value !== undefined && !LEFT_OUT.has(name))
  const userId: unknown = properties.userId
  return {
    exchange: '',
    routingKey: queues.deadLetters,
    content,
    properties: {
      timestamp: Math.floor(Date.now() / 1_000),
      ...Object.fromEntries(given),
      mandatory: true,
      persistent: true,
      headers: {
        // Whatever they are, they were on the message.
        ...(properties.headers as PublishProperties['headers'] | undefined),
        'broadcaster-consumer': consumer,
        'broadcaster-error': errorText(error),
        'broadcaster-attempts': attempts,
        'broadcaster-queue': queues.queue,
        'broadcaster-exchange': fields.exchange,
        'broadcaster-routing-key': fields.routingKey,
        ...(typeof userId === 'string' && { 'broadcaster-user-id': userId }),
      },
    },
  }
}
