import { RabbitMqConnection } from '../../backend/rabbitmq/connection.ts'
import { errorOfConnection } from '../../backend/rabbitmq/send-failure.ts'
import { OutageError } from '../../backend/send-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { decodeAmqp } from '../../event/amqp.ts'
import { orderKeyOf } from '../order-key.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../subscription.ts'
import { deadLetterOf } from './dead-letter.ts'
import { RabbitMqLetterPlace } from './letter-place.ts'
import {
  type RabbitMqSubscriptionOptions,
  type ResolvedRabbitMqSubscriptionOptions,
  resolveSubscriptionOptions,
} from './options.ts'
import { ensureQueues, type Queues, queuesOf } from './queues.ts'

export type { RabbitMqBinding, RabbitMqQueueDeclaration, RabbitMqSubscriptionOptions } from './options.ts'

type ConsumeMessage = import('amqplib').ConsumeMessage
type AmqpChannel = import('amqplib').Channel

/**
 * Receives from a queue of RabbitMQ, with manual acknowledgements. Guarantees and advice for production are in
 * `docs/backends/rabbitmq.md`.
 *
 * @example rabbitmqSubscription({ url: 'amqp://localhost', queue: 'billing', declare: { queue: {}, bindings: [{ exchange: 'events' }] } })
 */
export function rabbitmqSubscription(options: RabbitMqSubscriptionOptions = {}): Subscription {
  return new RabbitMqSubscription(resolveSubscriptionOptions(options))
}

/** How long `receive` waits for a message, in milliseconds. */
const WAIT = 5_000

/** A channel on which we consume; what it handed out is lost with it. */
interface Attached {
  readonly channel: AmqpChannel
  readonly lost: AbortController
  /** Received and not handed out yet. */
  readonly waiting: ConsumeMessage[]
  readonly held: Set<ConsumeMessage>
  error: unknown
}

class RabbitMqSubscription implements Subscription {
  readonly #options: ResolvedRabbitMqSubscriptionOptions
  readonly #connection: RabbitMqConnection
  #queues: Queues = { queue: '', deadLetters: '' }
  #attached: Attached | undefined
  #changed = Promise.withResolvers<void>()
  #closing: Promise<void> | undefined

  constructor(options: ResolvedRabbitMqSubscriptionOptions) {
    this.#options = options
    this.#connection = new RabbitMqConnection(options.connection)
  }

  get description(): string {
    return `rabbitmq ${this.#queues.queue || (this.#options.queue ?? '')}`.trim()
  }

  async open({ consumer }: SubscriptionContext, signal: AbortSignal): Promise<void> {
    this.#queues = queuesOf(this.#options, consumer)
    await this.#attach(signal)
  }

  async receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'this subscription is closed')
    if (signal.aborted) return []
    let attached: Attached
    try {
      attached = await this.#attach(signal)
    } catch (error) {
      if (signal.aborted || this.#closing !== undefined) return []
      throw error
    }
    if (attached.waiting.length === 0 && !attached.lost.signal.aborted) await this.#change(signal)
    if (attached.lost.signal.aborted) {
      if (signal.aborted || this.#closing !== undefined) return []
      throw errorOfConnection(attached.error ?? this.#connection.lost, 'the connection to RabbitMQ was lost')
    }
    return attached.waiting.splice(0, limit).map((message) => this.#deliveryOf(attached, message))
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  deadLetterPlace({ consumer }: SubscriptionContext): RabbitMqLetterPlace {
    return new RabbitMqLetterPlace(this.#options, consumer)
  }

  async #close(): Promise<void> {
    this.#tell()
    // Before the connection, whose close would overtake acknowledgements. What is not acknowledged goes back with it.
    const closed = this.#attached?.channel.close().catch(() => undefined)
    await within(this.#options.connection.connectTimeout, closed)
    await this.#connection.close()
    this.#lose(this.#attached, undefined)
  }

  async #attach(signal: AbortSignal): Promise<Attached> {
    if (this.#attached) return this.#attached
    try {
      const model = await this.#connection.model(signal)
      await ensureQueues(model, this.#queues, this.#options)
      const channel = await model.createChannel()
      const attached: Attached = {
        channel,
        lost: new AbortController(),
        waiting: [],
        held: new Set(),
        error: undefined,
      }
      channel.on('error', (error) => void (attached.error ??= error))
      channel.on('close', () => this.#lose(attached, undefined))
      this.#attached = attached
      await channel.prefetch(this.#options.prefetch)
      await channel.consume(this.#queues.queue, (message) => this.#onMessage(attached, message))
      return attached
    } catch (error) {
      this.#attached?.channel.close().catch(() => undefined)
      this.#lose(this.#attached, error)
      if (error instanceof BroadcasterError) throw error
      throw errorOfConnection(error, `cannot consume from the queue '${this.#queues.queue}'`)
    }
  }

  /** Null: RabbitMQ has ended the consumer, as when its queue was deleted. */
  #onMessage(attached: Attached, message: ConsumeMessage | null): void {
    if (message === null) {
      this.#lose(attached, new Error('RabbitMQ has ended the consumer: its queue was deleted, or moved'))
      attached.channel.close().catch(() => undefined)
      return
    }
    attached.waiting.push(message)
    attached.held.add(message)
    this.#tell()
  }

  #lose(attached: Attached | undefined, error: unknown): void {
    if (attached === undefined) return
    if (this.#attached === attached) this.#attached = undefined
    attached.error ??= error
    attached.waiting.length = 0
    attached.held.clear()
    attached.lost.abort()
    this.#tell()
  }

  #tell(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Until something comes, `signal` aborts, or the time is over. */
  async #change(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const over = Promise.withResolvers<void>()
    const timer = setTimeout(over.resolve, WAIT)
    const onAbort = (): void => over.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    await Promise.race([this.#changed.promise, over.promise])
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    // What came in the same piece of the connection is handed out together.
    if (!signal.aborted) await new Promise((resolve) => setImmediate(resolve))
  }

  #deliveryOf(attached: Attached, message: ConsumeMessage): Delivery {
    const { contentType, headers } = message.properties
    const read = (): Pick<Delivery, 'event' | 'problem'> => {
      try {
        return { event: decodeAmqp(contentType, headers, message.content) }
      } catch (problem) {
        return { event: undefined, problem }
      }
    }
    const decoded = read()
    // Quorum queues count; a classic one says only that it is not the first time.
    const before: unknown = headers?.['x-delivery-count']
    const earlier = typeof before === 'number' ? before : message.fields.redelivered ? 1 : 0
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      count: earlier + 1,
      position: `${this.#queues.queue} ${message.fields.deliveryTag}`,
      lost: attached.lost.signal,
      acknowledge: async () => this.#conclude(attached, message, () => attached.channel.ack(message)),
      release: async () => this.#conclude(attached, message, () => attached.channel.nack(message, false, true)),
      deadLetter: (reason) => this.#deadLetter(attached, message, reason),
    }
  }

  #conclude(attached: Attached, message: ConsumeMessage, tell: () => void): void {
    if (attached.lost.signal.aborted)
      throw new OutageError('RabbitMQ has taken the message back: the channel has closed')
    if (!attached.held.delete(message)) throw new BroadcasterError('CLOSED', 'the message was concluded already')
    tell()
  }

  async #deadLetter(attached: Attached, message: ConsumeMessage, reason: DeadLetterReason): Promise<void> {
    if (!attached.held.has(message)) this.#conclude(attached, message, () => undefined)
    const { signal } = attached.lost
    const channel = await this.#connection.channel('dead letters', signal)
    const letter = (room: number) => deadLetterOf(message, this.#queues, reason, room)
    let confirmation = await channel.publish(letter(channel.mostHeaderBytes), signal)
    // Whatever it is that the client does not write: ours alone are plain text.
    if (confirmation.kind === 'unwritable') confirmation = await channel.publish(letter(0), signal)
    if (confirmation.kind !== 'confirmed') {
      const said = confirmation.kind === 'unwritable' ? { cause: confirmation.error } : {}
      throw new OutageError(
        `the queue '${this.#queues.deadLetters}' did not take the dead letter: ${confirmation.kind}`,
        said,
      )
    }
    this.#conclude(attached, message, () => attached.channel.ack(message))
  }
}

async function within(timeout: number, promise: Promise<void> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeout)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}
