import { closeWithin } from '../../close-within.ts'
import { BroadcasterError } from '../../errors.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, type BackendHealth, delivered, notAttempted, notDelivered, type SendResult } from '../backend.ts'
import { Gate } from '../gate.ts'
import { refuseConfig } from '../refuse-config.ts'
import { refuseEvent } from '../refuse-event.ts'
import { sendByKey } from '../send-by-key.ts'
import { OutageError, PermanentError } from '../send-error.ts'
import type { Acknowledgement, AcknowledgingClient } from './acknowledging-client.ts'
import { MqttConnection } from './connection.ts'
import { checkProperties, type Message, messageOf } from './message.ts'
import { type MqttOptions, type ResolvedMqttOptions, resolveOptions } from './options.ts'
import {
  errorOfClosing,
  errorOfConnection,
  errorOfReason,
  errorOfSilentClosing,
  maybeByOneMessage,
} from './send-failure.ts'

export type { MqttClient, PublishOptions, ServerProperties } from './client.ts'
export type { MqttOptions } from './options.ts'

/**
 * Publishes each event with MQTT 5, and waits for the server's acknowledgement. Guarantees, errors and advice for
 * production are in `docs/backends/mqtt.md`.
 *
 * @example mqtt({ url: 'mqtt://localhost', topic: 'events/{type}' })
 */
export function mqtt(options: MqttOptions = {}): Backend {
  const publisher = new Publisher(resolveOptions(options))
  return {
    capabilities: { ordersWithinSend: true },
    maxEventBytes: publisher.options.maxEventBytes,
    checkConfig: refuseConfig('mqtt'),
    ...(publisher.options.mode === 'binary' ? { checkEvent: refuseEvent(checkProperties) } : {}),
    connect: (signal) => publisher.connection.probe(signal),
    send: (events, signal) => publisher.send(events, signal),
    healthCheck: (signal) => publisher.healthCheck(signal),
    close: () => closeWithin('mqtt()', () => publisher.close()),
  }
}

class Publisher {
  readonly options: ResolvedMqttOptions
  readonly connection: MqttConnection
  readonly #eachOwnTopic: boolean
  /** For messages of which one closed the connection: on one of their own, one at a time, it is known which. */
  readonly #alone: { readonly gate: Gate; readonly connection: MqttConnection }
  /** Connections that ended since the server is away. */
  readonly #away = new WeakSet<AcknowledgingClient>()
  readonly #sends = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(options: ResolvedMqttOptions) {
    this.options = options
    const { topic, clientId } = options
    this.connection = new MqttConnection(options)
    this.#eachOwnTopic = typeof topic === 'function' || topic.includes('{type}')
    const name = clientId === undefined ? undefined : `${clientId}-alone`
    this.#alone = { gate: new Gate(1), connection: new MqttConnection(options, name) }
  }

  async send(events: readonly OutboxEvent[], signal: AbortSignal): Promise<readonly SendResult[]> {
    const aborted = Promise.withResolvers<SendResult>()
    const onAbort = (): void =>
      aborted.resolve(notDelivered(errorOfConnection(signal.reason, 'the send ended before the acknowledgement')))
    signal.addEventListener('abort', onAbort, { once: true })
    const sending = sendByKey(events, signal, (event) => Promise.race([this.#sendOne(event, signal), aborted.promise]))
    this.#sends.add(sending)
    try {
      return await sending
    } finally {
      this.#sends.delete(sending)
      signal.removeEventListener('abort', onAbort)
    }
  }

  async healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const started = performance.now()
    try {
      await this.connection.probe(signal)
      return { healthy: true, latency: performance.now() - started, detail: 'the MQTT server answers' }
    } catch (error) {
      return { healthy: false, detail: error instanceof Error ? error.message : String(error) }
    }
  }

  /** Lets the messages under way be acknowledged, each within its timeout, starts none, and closes the connection. */
  close(): Promise<void> {
    return (this.#closing ??= Promise.allSettled(this.#sends).then(async () => {
      await Promise.all([this.connection.close(), this.#alone.connection.close()])
    }))
  }

  async #sendOne(event: OutboxEvent, signal: AbortSignal): Promise<SendResult> {
    const message = messageOf(event, this.options)
    const first = await this.#publish(this.connection, message, signal)
    const { acknowledgement, client } = first
    if (!isClosed(acknowledgement) || this.options.client || !maybeByOneMessage(client.disconnectReason)) {
      return this.#resultOf(first, message, false)
    }
    return await this.#alone.gate.run(() => this.#sendAlone(first, message, signal))
  }

  /**
   * For a message whose connection ended, with a reason that one message may have given or without a word: a server's word can
   * be lost when we were still writing. What closes a connection twice while nothing else is under way on it, of a server that
   * answers on the next one, is to blame itself. An outage found so is that of all that were lost together.
   */
  async #sendAlone(first: Published, message: Message, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return notAttempted
    const { connection } = this.#alone
    for (let attempt = 1; !this.#away.has(first.client); attempt++) {
      const alone = await this.#publish(connection, message, signal).catch((error: unknown) => notDelivered(error))
      if (!('client' in alone)) {
        this.#away.add(first.client)
        return alone
      }
      const result = this.#resultOf(alone, message, true)
      if (!isClosed(alone.acknowledgement) || alone.client.disconnectReason !== undefined) return result
      if (attempt === 1) continue
      const answers = await connection.probe(signal).then(
        () => true,
        () => false,
      )
      if (answers) return notDelivered(errorOfSilentClosing(message.topic))
      this.#away.add(first.client)
    }
    return this.#resultOf(first, message, false)
  }

  async #publish(connection: MqttConnection, message: Message, signal: AbortSignal): Promise<Published> {
    if (this.#closing !== undefined) throw new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed')
    let client: AcknowledgingClient
    try {
      client = await connection.open(signal)
    } catch (error) {
      throw connection.closed ? error : errorOfConnection(error)
    }
    return { client, acknowledgement: await client.publish(message, signal) }
  }

  #resultOf({ client, acknowledgement }: Published, { topic }: Message, alone: boolean): SendResult {
    switch (acknowledgement.kind) {
      case 'acknowledged': {
        if (!acknowledgement.noSubscriber || !this.options.requireSubscriber) return delivered
        const text = `nobody has subscribed to the topic '${topic}'`
        return notDelivered(new BroadcasterError('SEND_FAILED', text, { field: 'topic', value: topic }))
      }
      case 'refused':
        return notDelivered(errorOfReason(acknowledgement.reasonCode, topic, this.#eachOwnTopic))
      case 'unsent':
        return notAttempted
      case 'too-large': {
        const { size, limit } = acknowledgement
        return notDelivered(new PermanentError(`the message takes ${size} bytes, and the server permits ${limit}`))
      }
      case 'lost':
        if (acknowledgement.because === 'closed') {
          return notDelivered(errorOfClosing(client.disconnectReason, client.error, alone))
        }
        return notDelivered(new OutageError(`no acknowledgement within ${this.options.ackTimeout} ms`))
    }
  }
}

function isClosed(acknowledgement: Acknowledgement): boolean {
  return acknowledgement.kind === 'lost' && acknowledgement.because === 'closed'
}

interface Published {
  readonly client: AcknowledgingClient
  readonly acknowledgement: Acknowledgement
}
