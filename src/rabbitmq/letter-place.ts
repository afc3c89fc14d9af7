import { createHash } from 'node:crypto'
import { OutageError } from '../backend/send-error.ts'
import {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterPlace,
  isReasonHeader,
  letterOf,
} from '../consumer/dead-letter-place.ts'
import { readEvent } from '../consumer/read-event.ts'
import { BroadcasterError } from '../errors.ts'
import { decodeAmqp } from '../event/amqp.ts'
import type { PublishProperties } from './client.ts'
import { RabbitMqConnection } from './connection.ts'
import { LETTER_ID, messageTo } from './dead-letter.ts'
import { queuesOf } from './queues.ts'
import { errorOfConnection, NOT_FOUND, replyCode } from './send-failure.ts'
import type { ResolvedRabbitMqSubscriptionOptions } from './subscription-options.ts'

type GetMessage = import('amqplib').GetMessage
type AmqpChannel = import('amqplib').Channel

/**
 * A queue cannot be listed: its messages are fetched without acknowledging them, and go back. A quorum queue then puts
 * them at its end, so the order is that of their ids, which begin with the time.
 */
export function rabbitMqLetterPlace(options: ResolvedRabbitMqSubscriptionOptions, consumer: string): DeadLetterPlace {
  const { queue, deadLetters } = queuesOf(options, consumer)
  const connection = new RabbitMqConnection(options.connection)

  function list({ limit, after = '' }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    return onChannel(signal, async (channel) => {
      let found: DeadLetter[] = []
      for await (const message of messages(channel, signal)) {
        if (idOf(message) <= after) continue
        found.push(read(message))
        if (found.length >= 2 * limit + 100) found = firstOf(found, limit)
      }
      return firstOf(found, limit)
    })
  }

  function requeue(id: string, signal: AbortSignal): Promise<boolean> {
    return onChannel(signal, async (channel) => {
      for await (const message of messages(channel, signal)) {
        if (idOf(message) !== id) continue
        await putBack(message, signal)
        channel.ack(message)
        return true
      }
      return false
    })
  }

  /** Directly to the consumer's queue: no other consumer gets it again. */
  async function putBack({ content, properties }: GetMessage, signal: AbortSignal): Promise<void> {
    const given = Object.entries(properties).filter(([, value]) => value !== undefined)
    const headers = Object.entries((properties.headers ?? {}) as PublishProperties['headers'])
    const own = headers.filter(([name]) => !isReasonHeader(name))
    const channel = await connection.channel('requeued', signal)
    const confirmation = await channel.publish(messageTo(queue, content, given, own), signal)
    if (confirmation.kind === 'confirmed') return
    throw new OutageError(`the queue '${queue}' did not take the message back: ${confirmation.kind}`)
  }

  async function* messages(channel: AmqpChannel, signal: AbortSignal): AsyncGenerator<GetMessage> {
    for (;;) {
      signal.throwIfAborted()
      const message = await channel.get(deadLetters).catch((error: unknown) => {
        // The queue is made when the consumer first starts: until then there are no letters.
        if (replyCode(error) === NOT_FOUND) return false as const
        throw error
      })
      if (message === false) return
      yield message
    }
  }

  /** Runs `work`. What it fetched and did not acknowledge is back in the queue when this resolves. */
  async function onChannel<T>(signal: AbortSignal, work: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    try {
      const model = await connection.model(signal)
      const channel = await model.createChannel()
      channel.on('error', () => undefined)
      try {
        return await work(channel)
      } finally {
        await giveBack(channel, deadLetters).catch(() => undefined)
      }
    } catch (error) {
      throw error instanceof BroadcasterError
        ? error
        : errorOfConnection(error, `the queue '${deadLetters}' cannot be read`)
    }
  }

  return { description: `rabbitmq ${deadLetters}`, list, requeue, close: () => connection.close() }
}

function firstOf(letters: readonly DeadLetter[], limit: number): DeadLetter[] {
  return letters.toSorted((one, other) => (one.id < other.id ? -1 : 1)).slice(0, limit)
}

async function giveBack(channel: AmqpChannel, queue: string): Promise<void> {
  channel.nackAll(true)
  // The queue itself answers, so it has processed what came before.
  await channel.checkQueue(queue)
  await channel.close()
}

/** Our letters have an id; another's is identified by its content, and comes first. */
function idOf({ content, properties: { headers, messageId } }: GetMessage): string {
  const id: unknown = headers?.[LETTER_ID]
  if (typeof id === 'string') return id
  return `0-${createHash('sha256').update(String(messageId)).update(content).digest('hex').slice(0, 32)}`
}

function read(message: GetMessage): DeadLetter {
  const { content, fields, properties } = message
  const { contentType, headers } = properties
  const reason = (name: string): string => String(headers?.[`broadcaster-${name}`] ?? '')
  const event = readEvent(() => decodeAmqp(contentType, headers, content))
  return letterOf(idOf(message), content, event, reason('queue') || fields.routingKey, reason)
}
