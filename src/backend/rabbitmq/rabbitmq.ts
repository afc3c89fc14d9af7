import { closeWithin } from '../../close-within.ts'
import { BroadcasterError } from '../../errors.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, type BackendHealth, delivered, notDelivered, type SendResult } from '../backend.ts'
import { Gate } from '../gate.ts'
import { refuseConfig } from '../refuse-config.ts'
import { refuseEvent } from '../refuse-event.ts'
import { sendByKey } from '../send-by-key.ts'
import { OutageError } from '../send-error.ts'
import type { Confirmation, ConfirmingChannel } from './confirming-channel.ts'
import { RabbitMqConnection } from './connection.ts'
import { checkMessage, type Message, messageOf } from './message.ts'
import { type RabbitMqOptions, type ResolvedRabbitMqOptions, resolveOptions } from './options.ts'
import { closedByOneMessage, errorOfClosedChannel, errorOfConnection, errorOfUnwritable } from './send-failure.ts'

export type { PublishProperties, RabbitMqConfirmChannel } from './client.ts'
export type { RabbitMqExchange, RabbitMqOptions } from './options.ts'

/**
 * Publishes each event as a persistent message to an exchange of RabbitMQ. It is delivered when RabbitMQ has confirmed
 * it and a queue has it. Guarantees, errors and advice for production are in `docs/backends/rabbitmq.md`.
 *
 * @example rabbitmq({ url: 'amqp://localhost', declare: { exchange: { name: 'events', type: 'topic' } } })
 */
export function rabbitmq(options: RabbitMqOptions = {}): Backend {
  const publisher = new Publisher(resolveOptions(options))
  return {
    capabilities: { ordersWithinSend: true },
    maxEventBytes: publisher.options.maxEventBytes,
    checkConfig: refuseConfig('rabbitmq'),
    checkEvent: refuseEvent((event) => checkMessage(event, publisher.options)),
    connect: (signal) => publisher.connection.probe(undefined, signal),
    send: (events, signal) => publisher.send(events, signal),
    healthCheck: (signal) => publisher.healthCheck(signal),
    close: () => closeWithin('rabbitmq()', () => publisher.close()),
  }
}

class Publisher {
  readonly options: ResolvedRabbitMqOptions
  readonly connection: RabbitMqConnection
  readonly #eachOwnExchange: boolean
  /** For messages of which one closed a channel: on a channel of their own, one at a time, it is known which. */
  readonly #alone = new Gate(1)
  readonly #sends = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(options: ResolvedRabbitMqOptions) {
    this.options = options
    this.connection = new RabbitMqConnection(options)
    this.#eachOwnExchange = typeof options.exchange === 'function' && options.channel === undefined
  }

  async send(events: readonly OutboxEvent[], signal: AbortSignal): Promise<readonly SendResult[]> {
    const sending = sendByKey(events, signal, (event) => this.#sendOne(event, signal))
    this.#sends.add(sending)
    try {
      return await sending
    } finally {
      this.#sends.delete(sending)
    }
  }

  async healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const { exchange } = this.options
    const started = performance.now()
    try {
      await this.connection.probe(typeof exchange === 'string' && exchange !== '' ? exchange : undefined, signal)
      return { healthy: true, latency: performance.now() - started, detail: 'RabbitMQ answers' }
    } catch (error) {
      return { healthy: false, detail: error instanceof BroadcasterError ? error.message : String(error) }
    }
  }

  /** Lets the messages under way be confirmed, each within its timeout, starts none, and closes the connection. */
  close(): Promise<void> {
    return (this.#closing ??= Promise.allSettled(this.#sends).then(() => this.connection.close()))
  }

  async #sendOne(event: OutboxEvent, signal: AbortSignal): Promise<SendResult> {
    const message = messageOf(event, this.options)
    // A channel of its own for each exchange: one that is missing closes only its own.
    const name = this.#eachOwnExchange ? message.exchange : ''
    const first = await this.#publish(`shared:${name}`, message, signal)
    if (first.confirmation.kind !== 'lost' || first.confirmation.because !== 'closed')
      return this.#resultOf(first, false)
    if (this.options.channel || !closedByOneMessage(first.channel.error, this.#eachOwnExchange)) {
      return this.#resultOf(first, false)
    }
    return await this.#alone.run(async () => this.#resultOf(await this.#publish('alone', message, signal), true))
  }

  async #publish(name: string, message: Message, signal: AbortSignal): Promise<Published> {
    if (this.#closing !== undefined) throw new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed')
    let channel: ConfirmingChannel
    try {
      channel = await this.connection.channel(name, signal)
    } catch (error) {
      throw this.connection.closed ? error : errorOfConnection(error)
    }
    return { message, channel, signal, confirmation: await channel.publish(message, signal) }
  }

  #resultOf({ message, channel, signal, confirmation }: Published, alone: boolean): SendResult {
    switch (confirmation.kind) {
      case 'confirmed':
        return delivered
      case 'returned': {
        const { exchange, routingKey } = message
        const text = `no queue is bound to the exchange '${exchange}' for the routing key '${routingKey}'`
        return notDelivered(new BroadcasterError('SEND_FAILED', text, { field: 'routingKey', value: routingKey }))
      }
      case 'nacked':
        return notDelivered(
          new OutageError('RabbitMQ could not take the event: a queue is full (reject-publish), or not available'),
        )
      case 'unwritable':
        return notDelivered(errorOfUnwritable(confirmation.error))
      case 'lost':
        break
    }
    switch (confirmation.because) {
      case 'aborted':
        return notDelivered(errorOfConnection(signal.reason, 'the send ended before the event was confirmed'))
      case 'blocked':
        return notDelivered(new OutageError('RabbitMQ takes no messages now: it is short of memory or disk'))
      case 'silent':
        return notDelivered(new OutageError(`no confirm from RabbitMQ within ${this.options.confirmTimeout} ms`))
      case 'closed': {
        const error = channel.error ?? (this.options.channel ? undefined : this.connection.lost)
        return notDelivered(
          errorOfClosedChannel(error, message.exchange, { eachOwnExchange: this.#eachOwnExchange, alone }),
        )
      }
    }
  }
}

interface Published {
  readonly message: Message
  readonly channel: ConfirmingChannel
  readonly signal: AbortSignal
  readonly confirmation: Confirmation
}
