import { createHash } from 'node:crypto'
import type { PublishProperties } from '../../backend/rabbitmq/client.ts'
import { RabbitMqConnection } from '../../backend/rabbitmq/connection.ts'
import { errorOfConnection } from '../../backend/rabbitmq/send-failure.ts'
import { OutageError } from '../../backend/send-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { decodeAmqp } from '../../event/amqp.ts'
import { type DeadLetter, type DeadLetterPage, type DeadLetterPlace, isReasonHeader } from '../dead-letter-place.ts'
import { LETTER_ID } from './dead-letter.ts'
import type { ResolvedRabbitMqSubscriptionOptions } from './options.ts'
import { queuesOf } from './queues.ts'

type GetMessage = import('amqplib').GetMessage
type AmqpChannel = import('amqplib').Channel

/**
 * A queue has no list: its messages are fetched without acknowledging them, and go back. A quorum queue puts them at its end
 * then, so the order is that of their ids, which begin with the time.
 */
export class RabbitMqLetterPlace implements DeadLetterPlace {
  readonly description: string
  readonly #connection: RabbitMqConnection
  readonly #queue: string
  readonly #deadLetters: string

  constructor(options: ResolvedRabbitMqSubscriptionOptions, consumer: string) {
    const { queue, deadLetters } = queuesOf(options, consumer)
    this.#connection = new RabbitMqConnection(options.connection)
    this.#queue = queue
    this.#deadLetters = deadLetters
    this.description = `rabbitmq ${deadLetters}`
  }

  list({ limit, after = '' }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    return this.#onChannel(signal, async (channel) => {
      let found: DeadLetter[] = []
      for await (const message of this.#messages(channel, signal)) {
        if (idOf(message) <= after) continue
        found.push(letterOf(message))
        if (found.length >= 2 * limit + 100) found = firstOf(found, limit)
      }
      return firstOf(found, limit)
    })
  }

  requeue(id: string, signal: AbortSignal): Promise<boolean> {
    return this.#onChannel(signal, async (channel) => {
      for await (const message of this.#messages(channel, signal)) {
        if (idOf(message) !== id) continue
        await this.#putBack(message, signal)
        channel.ack(message)
        return true
      }
      return false
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  /** To the consumer's queue alone, past all exchanges: no other consumer gets it again. */
  async #putBack({ content, properties }: GetMessage, signal: AbortSignal): Promise<void> {
    const given = Object.entries(properties).filter(([, value]) => value !== undefined)
    const headers = Object.entries((properties.headers ?? {}) as PublishProperties['headers'])
    const channel = await this.#connection.channel('requeued', signal)
    const confirmation = await channel.publish(
      {
        exchange: '',
        routingKey: this.#queue,
        content,
        properties: {
          timestamp: Math.floor(Date.now() / 1_000),
          ...Object.fromEntries(given),
          mandatory: true,
          persistent: true,
          headers: Object.fromEntries(headers.filter(([name]) => !isReasonHeader(name))),
        },
      },
      signal,
    )
    if (confirmation.kind === 'confirmed') return
    throw new OutageError(`the queue '${this.#queue}' did not take the message back: ${confirmation.kind}`)
  }

  async *#messages(channel: AmqpChannel, signal: AbortSignal): AsyncGenerator<GetMessage> {
    for (;;) {
      signal.throwIfAborted()
      const message = await channel.get(this.#deadLetters)
      if (message === false) return
      yield message
    }
  }

  /** What was fetched and not acknowledged goes back, and is there again when this resolves. */
  async #onChannel<T>(signal: AbortSignal, work: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    try {
      const model = await this.#connection.model(signal)
      const channel = await model.createChannel()
      channel.on('error', () => undefined)
      try {
        return await work(channel)
      } finally {
        await giveBack(channel, this.#deadLetters).catch(() => undefined)
      }
    } catch (error) {
      if (error instanceof BroadcasterError) throw error
      throw errorOfConnection(error, `the queue '${this.#deadLetters}' cannot be read`)
    }
  }
}

function firstOf(letters: readonly DeadLetter[], limit: number): DeadLetter[] {
  return letters.toSorted((one, other) => (one.id < other.id ? -1 : 1)).slice(0, limit)
}

async function giveBack(channel: AmqpChannel, queue: string): Promise<void> {
  channel.nackAll(true)
  // An answer of the queue itself: it has heard of what came before.
  await channel.checkQueue(queue)
  await channel.close()
}

/** Ours has a name; that of somebody else is known by what it is, and comes first. */
function idOf({ content, properties: { headers, messageId } }: GetMessage): string {
  const id: unknown = headers?.[LETTER_ID]
  if (typeof id === 'string') return id
  return `0-${createHash('sha256').update(String(messageId)).update(content).digest('hex').slice(0, 32)}`
}

function letterOf(message: GetMessage): DeadLetter {
  const { content, fields } = message
  const { contentType, headers } = message.properties
  const reason = (name: string): string => String(headers?.[`broadcaster-${name}`] ?? '')
  const about = {
    id: idOf(message),
    body: content,
    consumer: reason('consumer'),
    error: reason('error'),
    attempts: Number(reason('attempts')),
    position: reason('queue') || fields.routingKey,
  }
  try {
    return { ...about, event: decodeAmqp(contentType, headers, content) }
  } catch (problem) {
    return { ...about, event: undefined, problem }
  }
}
