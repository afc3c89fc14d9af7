import { OutageError } from '../backend/send-error.ts'
import { orderKeyOf, readEvent } from '../consumer/read-event.ts'
import { Received } from '../consumer/received.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../consumer/subscription.ts'
import { subscriptionOf } from '../consumer/subscription-of.ts'
import { BroadcasterError } from '../errors.ts'
import { decodeAmqp } from '../event/amqp.ts'
import { Connection } from '../foundation/connection.ts'
import { settles } from '../foundation/waiting.ts'
import { RabbitMqConnection } from './connection.ts'
import { deadLetterOf } from './dead-letter.ts'
import { rabbitMqLetterPlace } from './letter-place.ts'
import { countMessages, ensureQueues, type Queues, queuesOf } from './queues.ts'
import { errorOfConnection } from './send-failure.ts'
import {
  type RabbitMqSubscriptionOptions,
  type ResolvedRabbitMqSubscriptionOptions,
  resolveSubscriptionOptions,
} from './subscription-options.ts'

export type { RabbitMqBinding, RabbitMqQueue, RabbitMqSubscriptionOptions } from './subscription-options.ts'

type ConsumeMessage = import('amqplib').ConsumeMessage
type AmqpChannel = import('amqplib').Channel

/**
 * Receives from a queue of RabbitMQ, with manual acknowledgements. Guarantees and advice for production are in
 * `docs/backends/rabbitmq.md`.
 *
 * @example rabbitmqSubscription({ url: 'amqp://localhost', queue: 'billing', create: { queue: {}, bindings: [{ exchange: 'events' }] } })
 */
export function rabbitmqSubscription(options: RabbitMqSubscriptionOptions = {}): Subscription {
  const resolved = resolveSubscriptionOptions(options)
  return subscriptionOf(() => subscribe(resolved))
}

/** A channel on which we consume; what it delivered is lost with it. */
interface Attached {
  readonly channel: AmqpChannel
  readonly received: Received<ConsumeMessage>
}

function subscribe(options: ResolvedRabbitMqSubscriptionOptions): Subscription {
  let queues: Queues = { queue: '', deadLetters: '' }
  const connection = new RabbitMqConnection(options.connection)
  const consuming = new Connection<Attached>({
    open: attach,
    isUsable: ({ received }) => !received.lost.aborted,
    end: detach,
    // Closed before the connection, whose close would overtake acknowledgements. What is not acknowledged goes back.
    close: ({ channel }) => channel.close(),
    interrupted: (reason) => errorOfConnection(reason, 'ended before RabbitMQ answered'),
  })

  async function open({ consumer }: SubscriptionContext, signal: AbortSignal): Promise<void> {
    queues = queuesOf(options, consumer)
    await consuming.get(signal)
  }

  async function receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    const attached = await consuming.get(signal)
    const { received } = attached
    const messages = await received.take(limit, signal)
    if (received.lost.aborted)
      throw errorOfConnection(received.error ?? connection.lost, 'the connection to RabbitMQ was lost')
    return messages.map((message) => deliveryOf(attached, message))
  }

  async function close(): Promise<void> {
    const received = consuming.current?.received
    received?.wake()
    // With a server that does not answer it stays open: it then ends with the connection.
    await settles(consuming.close(), { timeout: options.connection.connectTimeout })
    await connection.close()
    received?.lose()
  }

  async function attach(): Promise<Attached> {
    let attached: Attached | undefined
    try {
      const model = await connection.model()
      await ensureQueues(model, queues, options)
      const channel = await model.createChannel()
      const received = new Received<ConsumeMessage>()
      attached = { channel, received }
      channel.on('error', (error) => received.blame(error))
      channel.on('close', () => received.lose())
      await channel.prefetch(options.prefetch)
      await channel.consume(queues.queue, (message) => onMessage(channel, received, message))
      return attached
    } catch (error) {
      if (attached) detach(attached)
      if (error instanceof BroadcasterError) throw error
      throw errorOfConnection(error, `cannot consume from the queue '${queues.queue}'`)
    }
  }

  function deliveryOf(attached: Attached, message: ConsumeMessage): Delivery {
    const { contentType, headers } = message.properties
    const decoded = readEvent(() => decodeAmqp(contentType, headers, message.content))
    // Quorum queues count; a classic queue says only that this is not the first time.
    const before: unknown = headers?.['x-delivery-count']
    const earlier = typeof before === 'number' ? before : message.fields.redelivered ? 1 : 0
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      count: earlier + 1,
      position: `${queues.queue} ${message.fields.deliveryTag}`,
      lost: attached.received.lost,
      acknowledge: async () => conclude(attached, message, () => attached.channel.ack(message)),
      release: async () => conclude(attached, message, () => attached.channel.nack(message, false, true)),
      deadLetter: (reason) => putDead(attached, message, reason),
    }
  }

  function conclude(attached: Attached, message: ConsumeMessage, tell: () => void): void {
    if (attached.received.lost.aborted)
      throw new OutageError('RabbitMQ has taken the message back: the channel has closed')
    if (!attached.received.conclude(message)) throw new BroadcasterError('CLOSED', 'the message was concluded already')
    tell()
  }

  async function putDead(attached: Attached, message: ConsumeMessage, reason: DeadLetterReason): Promise<void> {
    if (!attached.received.has(message)) conclude(attached, message, () => undefined)
    const signal = attached.received.lost
    const channel = await connection.channel('dead letters', signal)
    const letter = (room: number) => deadLetterOf(message, queues, reason, room)
    let confirmation = await channel.publish(letter(channel.mostHeaderBytes), signal)
    // Whatever the client could not write was in the message's headers: ours are plain text.
    if (confirmation.kind === 'unwritable') confirmation = await channel.publish(letter(0), signal)
    if (confirmation.kind !== 'confirmed') {
      const said = confirmation.kind === 'unwritable' ? { cause: confirmation.error } : {}
      const what = `the queue '${queues.deadLetters}' did not take the dead letter: ${confirmation.kind}`
      throw new OutageError(what, said)
    }
    conclude(attached, message, () => attached.channel.ack(message))
  }

  return {
    get messaging() {
      return { system: 'rabbitmq', destination: queues.queue || options.queue }
    },
    get description(): string {
      return `rabbitmq ${queues.queue || (options.queue ?? '')}`.trim()
    },
    ...{ open, receive, close },
    backlog: async () => countMessages(await connection.model(), queues.queue),
    deadLetterPlace: (context) => rabbitMqLetterPlace(options, context.consumer),
  }
}

function detach({ channel, received }: Attached): void {
  if (!received.lost.aborted) channel.close().catch(() => undefined)
  received.lose()
}

/** Null: RabbitMQ has cancelled the consumer, as when its queue was deleted. */
function onMessage(channel: AmqpChannel, received: Received<ConsumeMessage>, message: ConsumeMessage | null): void {
  if (message === null) {
    received.blame(new Error('RabbitMQ has ended the consumer: its queue was deleted, or moved'))
    detach({ channel, received })
  } else received.add(message)
}
