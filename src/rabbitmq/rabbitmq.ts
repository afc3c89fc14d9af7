import {
  type Backend,
  type BackendHealth,
  backendClosed,
  delivered,
  notDelivered,
  type SendContext,
  type SendResult,
} from '../backend/backend.ts'
import { describeBackend } from '../backend/describe-backend.ts'
import { Gate } from '../backend/gate.ts'
import { refuseConfig } from '../backend/refuse-config.ts'
import { refuseEvent } from '../backend/refuse-event.ts'
import { sendByKey } from '../backend/send-by-key.ts'
import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import type { Confirmation, ConfirmingChannel } from './confirming-channel.ts'
import { RabbitMqConnection } from './connection.ts'
import { checkMessage, type Message, messageOf } from './message.ts'
import { type RabbitMqOptions, resolveOptions } from './options.ts'
import { closedByOneMessage, errorOfClosedChannel, errorOfConnection, errorOfUnwritable } from './send-failure.ts'

export type { PublishProperties, RabbitMqConfirmChannel } from './client.ts'
export type { RabbitMqExchange, RabbitMqOptions } from './options.ts'

/**
 * Publishes each event as a persistent message to an exchange of RabbitMQ. It is delivered when RabbitMQ has confirmed
 * it and a queue has it. Guarantees, errors and advice for production are in `docs/backends/rabbitmq.md`.
 *
 * @example rabbitmq({ url: 'amqp://localhost', create: { exchange: { name: 'events', type: 'topic' } } })
 */
export function rabbitmq(options: RabbitMqOptions = {}): Backend {
  const settings = resolveOptions(options)
  /** For messages one of which closed a channel: sent one at a time on this one, the culprit shows. */
  const alone = new Gate(1)
  const connection = new RabbitMqConnection(settings)
  const eachOwnExchange = typeof settings.exchange === 'function' && settings.channel === undefined

  function send(
    events: readonly OutgoingEvent[],
    signal: AbortSignal,
    context?: SendContext,
  ): Promise<readonly SendResult[]> {
    return connection.track(sendByKey(events, signal, (event) => sendOne(event, signal), context?.mayBegin))
  }

  async function healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const { exchange } = settings
    const started = performance.now()
    try {
      await connection.probe(typeof exchange === 'string' && exchange !== '' ? exchange : undefined, signal)
      return { healthy: true, latency: performance.now() - started, detail: 'RabbitMQ answers' }
    } catch (error) {
      return { healthy: false, detail: error instanceof BroadcasterError ? error.message : String(error) }
    }
  }

  async function sendOne(event: OutgoingEvent, signal: AbortSignal): Promise<SendResult> {
    const message = messageOf(event, settings)
    // Each exchange has its own channel: a missing one closes only that.
    const name = eachOwnExchange ? message.exchange : ''
    const first = await publish(`shared:${name}`, message, signal)
    if (first.confirmation.kind !== 'lost' || first.confirmation.because !== 'closed') return resultOf(first, false)
    if (settings.channel || !closedByOneMessage(first.channel.error, eachOwnExchange)) {
      return resultOf(first, false)
    }
    return await alone.run(async () => resultOf(await publish('alone', message, signal), true))
  }

  async function publish(name: string, message: Message, signal: AbortSignal): Promise<Published> {
    let channel: ConfirmingChannel
    try {
      channel = await connection.channel(name, signal)
    } catch (error) {
      throw connection.closed ? backendClosed.error : errorOfConnection(error)
    }
    return { message, channel, signal, confirmation: await channel.publish(message, signal) }
  }

  function resultOf({ message, channel, signal, confirmation }: Published, alone: boolean): SendResult {
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
        return notDelivered(new OutageError('RabbitMQ accepts no messages now: it is short of memory or disk'))
      case 'silent':
        return notDelivered(new OutageError(`no confirm from RabbitMQ within ${settings.timeout} ms`))
      case 'closed': {
        const error = channel.error ?? (settings.channel ? undefined : connection.lost)
        return notDelivered(errorOfClosedChannel(error, message.exchange, { eachOwnExchange, alone }))
      }
    }
  }

  const { channel: injected, exchange, addresses, maxEventBytes } = settings
  return {
    ...describeBackend(
      'rabbitmq',
      exchange,
      injected ? [] : addresses.map(({ hostname: host, port }) => ({ host, port })),
    ),
    capabilities: { ordersWithinSend: true },
    rate: settings.rate,
    maxEventBytes,
    checkConfig: refuseConfig('rabbitmq'),
    checkEvent: refuseEvent((event) => checkMessage(event, settings)),
    connect: (signal) => connection.probe(undefined, signal),
    eventTimeout: settings.timeout,
    ...{ send, healthCheck },
    // Waits for messages in flight, each within its timeout, starts none, and closes the connection.
    close: () => closeWithin('rabbitmq()', () => connection.close()),
  }
}

interface Published {
  readonly message: Message
  readonly channel: ConfirmingChannel
  readonly signal: AbortSignal
  readonly confirmation: Confirmation
}
