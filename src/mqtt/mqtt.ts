import {
  type Backend,
  type BackendHealth,
  backendClosed,
  delivered,
  notAttempted,
  notDelivered,
  type SendContext,
  type SendResult,
} from '../backend/backend.ts'
import { describeBackend } from '../backend/describe-backend.ts'
import { Gate } from '../backend/gate.ts'
import { refuseConfig } from '../backend/refuse-config.ts'
import { refuseEvent } from '../backend/refuse-event.ts'
import { sendByKey } from '../backend/send-by-key.ts'
import { OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { abortOf } from '../foundation/waiting.ts'
import type { Acknowledgement, AcknowledgingClient } from './acknowledging-client.ts'
import { type MqttConnection, mqttConnection, probe } from './connection.ts'
import { checkProperties, type Message, messageOf } from './message.ts'
import { type MqttOptions, resolveOptions } from './options.ts'
import {
  errorOfClosing,
  errorOfConnection,
  errorOfReason,
  errorOfSilentClosing,
  maybeByOneMessage,
} from './send-failure.ts'

export type { MqttOptions } from './options.ts'

/**
 * Publishes each event with MQTT 5, and waits for the server's acknowledgement. Guarantees, errors and advice for
 * production are in `docs/backends/mqtt.md`.
 *
 * @example mqtt({ url: 'mqtt://localhost', topic: 'events/{type}' })
 */
export function mqtt(options: MqttOptions = {}): Backend {
  const settings = resolveOptions(options)
  /** Connections that ended because the server is down. */
  const away = new WeakSet<AcknowledgingClient>()
  const { topic, clientId } = settings
  const connection = mqttConnection(settings)
  const eachOwnTopic = typeof topic === 'function' || topic.includes('{type}')
  const name = clientId === undefined ? undefined : `${clientId}-alone`
  /** For messages one of which closed the connection: sent one at a time on this one, the culprit shows. */
  const alone = { gate: new Gate(1), connection: mqttConnection(settings, name) }

  function send(
    events: readonly OutgoingEvent[],
    signal: AbortSignal,
    context?: SendContext,
  ): Promise<readonly SendResult[]> {
    const aborted = abortOf(signal, () =>
      notDelivered(errorOfConnection(signal.reason, 'the send ended before the acknowledgement')),
    )
    const sendEach = (event: OutgoingEvent) => Promise.race([sendOne(event, signal), aborted.promise])
    const sending = sendByKey(events, signal, sendEach, context?.mayBegin)
    return connection.track(sending).finally(aborted.forget)
  }

  function connect(signal: AbortSignal): Promise<void> {
    return probe(connection, settings.timeout, signal)
  }

  async function healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const started = performance.now()
    try {
      await connect(signal)
      return { healthy: true, latency: performance.now() - started, detail: 'the MQTT server answers' }
    } catch (error) {
      return { healthy: false, detail: errorMessage(error) }
    }
  }

  async function sendOne(event: OutgoingEvent, signal: AbortSignal): Promise<SendResult> {
    const message = messageOf(event, settings)
    const first = await publish(connection, message, signal)
    const { acknowledgement, client } = first
    if (!isClosed(acknowledgement) || settings.client || !maybeByOneMessage(client.disconnectReason)) {
      return resultOf(first, message, false)
    }
    return await alone.gate.run(() => sendAlone(first, message, signal))
  }

  /**
   * For a message whose connection ended for a reason that may lie in one message, or without one: the server's reason
   * can be lost while we are still writing. A message is to blame if it closes a connection twice while nothing else is
   * in flight on it and the server answers on the next one. An outage found this way applies to all that were lost
   * together.
   */
  async function sendAlone(first: Published, message: Message, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return notAttempted
    for (let attempt = 1; !away.has(first.client); attempt++) {
      const own = await publish(alone.connection, message, signal).catch((error: unknown) => notDelivered(error))
      if (!('client' in own)) {
        away.add(first.client)
        return own
      }
      const result = resultOf(own, message, true)
      if (!isClosed(own.acknowledgement) || own.client.disconnectReason !== undefined) return result
      if (attempt === 1) continue
      const answers = await probe(alone.connection, settings.timeout, signal).then(
        () => true,
        () => false,
      )
      if (answers) return notDelivered(errorOfSilentClosing(message.topic))
      away.add(first.client)
    }
    return resultOf(first, message, false)
  }

  async function publish(over: MqttConnection, message: Message, signal: AbortSignal): Promise<Published> {
    if (connection.closed) throw backendClosed.error
    let client: AcknowledgingClient
    try {
      client = (await over.get(signal)).acknowledging
    } catch (error) {
      throw connection.closed ? backendClosed.error : errorOfConnection(error)
    }
    return { client, acknowledgement: await client.publish(message, signal) }
  }

  function resultOf({ client, acknowledgement }: Published, { topic }: Message, alone: boolean): SendResult {
    switch (acknowledgement.kind) {
      case 'acknowledged': {
        if (!acknowledgement.noSubscriber || !settings.requireSubscriber) return delivered
        const text = `there is no subscriber to the topic '${topic}'`
        return notDelivered(new BroadcasterError('SEND_FAILED', text, { field: 'topic', value: topic }))
      }
      case 'refused':
        return notDelivered(errorOfReason(acknowledgement.reasonCode, topic, eachOwnTopic))
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
        return notDelivered(new OutageError(`no acknowledgement within ${settings.timeout} ms`))
    }
  }

  return {
    ...describeBackend('mqtt', topic, settings.client ? [] : [settings.address]),
    capabilities: { ordersWithinSend: true },
    rate: settings.rate,
    maxEventBytes: settings.maxEventBytes,
    checkConfig: refuseConfig('mqtt'),
    ...(settings.mode === 'binary' ? { checkEvent: refuseEvent(checkProperties) } : {}),
    connect,
    eventTimeout: settings.timeout,
    ...{ send, healthCheck },
    // Lets the messages in flight be acknowledged, each within its timeout, starts none, and closes the connections.
    close: () => closeWithin('mqtt()', () => connection.close().then(() => alone.connection.close())),
  }
}

function isClosed(acknowledgement: Acknowledgement): boolean {
  return acknowledgement.kind === 'lost' && acknowledgement.because === 'closed'
}

interface Published {
  readonly client: AcknowledgingClient
  readonly acknowledgement: Acknowledgement
}
