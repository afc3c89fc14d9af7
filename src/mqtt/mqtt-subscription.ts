import { OutageError } from '../backend/send-error.ts'
import { orderKeyOf } from '../consumer/read-event.ts'
import { Received } from '../consumer/received.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../consumer/subscription.ts'
import { subscriptionOf } from '../consumer/subscription-of.ts'
import { BroadcasterError } from '../errors.ts'
import { Connection } from '../foundation/connection.ts'
import { deadLetterMessage, send } from './dead-letter.ts'
import { deadTopicOf, mqttLetterPlace } from './letter-place.ts'
import { acknowledgeByHand } from './manual-acknowledgement.ts'
import { dropClient, endClient, openClient } from './open-client.ts'
import { isForAnother, readMessage } from './read-message.ts'
import { describeReason } from './reason.ts'
import { type Pinger, pinger } from './round-trip.ts'
import { errorOfConnection } from './send-failure.ts'
import { untilAborted, within } from './server-answer.ts'
import {
  isShareName,
  type MqttSubscriptionOptions,
  type ResolvedMqttSubscriptionOptions,
  resolveSubscriptionOptions,
} from './subscription-options.ts'

export type { MqttDeadLetter, MqttSubscriptionOptions } from './subscription-options.ts'

type MqttJsClient = import('mqtt').MqttClient
type PublishPacket = import('mqtt').IPublishPacket

/**
 * Receives from a subscription of an MQTT 5 server, shared by the processes of a consumer unless told otherwise.
 * Guarantees and advice for production are in `docs/backends/mqtt.md`.
 *
 * @example mqttSubscription({ url: 'mqtt://localhost', clientId: 'billing-1', topics: 'events/#' })
 */
export function mqttSubscription(options: MqttSubscriptionOptions): Subscription {
  const resolved = resolveSubscriptionOptions(options)
  return subscriptionOf(() => subscribe(resolved))
}

const REFUSED = 0x80
const NO_MATCHING_SUBSCRIBERS = 0x10

/** A connection; what it delivered is lost with it, and comes again on the next one. */
interface Attached {
  readonly client: MqttJsClient
  readonly received: Received<PublishPacket>
  acknowledge: (messageId: number) => void
  /** Proves that the server has read what was written before. */
  readonly roundTrip: Pinger
  /** In bytes; undefined = no limit. */
  largestPacket: number | undefined
}

function subscribe(options: ResolvedMqttSubscriptionOptions): Subscription {
  let consumer = ''
  let onGap: SubscriptionContext['onGap']
  let hadSession = false
  const connection = new Connection<Attached>({
    open: attach,
    isUsable: ({ received }) => !received.lost.aborted,
    end({ client, received }) {
      dropClient(client)
      received.lose()
    },
    // What is not acknowledged stays in the session for the next client with this id.
    close: ({ client }) => endClient(client, options.connectTimeout),
    interrupted: (reason) => errorOfConnection(reason, 'ended before the MQTT server answered'),
  })

  async function open(context: SubscriptionContext, signal: AbortSignal): Promise<void> {
    ;({ consumer, onGap } = context)
    if (options.share === undefined && !isShareName(consumer)) {
      const message = `the consumer's name '${consumer}' is not a name for a shared subscription; give the option share`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'share', value: consumer })
    }
    deadTopicOf(options, consumer)
    if (options.deadLetter.keep) await untilAborted(mqttLetterPlace(options, consumer).prepare(), signal)
    await connection.get(signal)
  }

  async function receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    const attached = await connection.get(signal)
    const { received } = attached
    const packets = await received.take(limit, signal)
    if (received.lost.aborted) throw errorOfConnection(received.error, 'the connection to the MQTT server was lost')
    return packets.map((packet) => deliveryOf(attached, packet))
  }

  function close(): Promise<void> {
    connection.current?.received.wake()
    return connection.close()
  }

  async function attach(): Promise<Attached> {
    const { clientId, sessionExpiry, prefetch, topics, share = consumer, timeout } = options
    const properties = { sessionExpiryInterval: sessionExpiry, receiveMaximum: prefetch }
    let attached: Attached | undefined
    // The server delivers what the session holds as soon as it has accepted the connection.
    const { client, connack } = await openClient(options, { clientId, clean: false, properties }, (made) => {
      const received = new Received<PublishPacket>()
      const each: Attached = {
        client: made,
        received,
        roundTrip: pinger(made, timeout, received.lost),
        acknowledge: acknowledgeByHand(made),
        largestPacket: undefined,
      }
      attached = each
      made.on('message', (_topic, _payload, packet) => onMessage(each, packet))
      made.on('error', (error) => received.blame(error))
      made.on('disconnect', ({ reasonCode = 0 }) => {
        received.blame(new Error(describeReason(reasonCode)))
        // A server that shuts down or moves may leave the connection open and wait for us to close it.
        dropClient(made)
      })
      made.on('close', () => received.lose())
    })
    if (attached === undefined) throw new OutageError('no connection to the MQTT server')
    attached.largestPacket = connack.properties?.maximumPacketSize
    try {
      const filters = topics.map((topic) => (share === false ? topic : `$share/${share}/${topic}`))
      const granted = await within(timeout, client.subscribeAsync([...filters], { qos: 1 }))
      const refused = granted.find(({ qos }) => Number(qos) >= REFUSED)
      if (refused) {
        const said = describeReason(Number(refused.qos))
        throw new OutageError(`the server refuses the subscription to '${refused.topic}': ${said}`)
      }
    } catch (error) {
      dropClient(client)
      throw errorOfConnection(error, `cannot subscribe to ${topics.join(', ')}`)
    }
    const { received } = attached
    if (received.lost.aborted) throw errorOfConnection(received.error, 'the connection was lost')
    if (hadSession && !connack.sessionPresent) tellGap()
    hadSession = true
    return attached
  }

  /**
   * The server has forgotten the session that this process had: what it kept for us while we were disconnected is gone.
   */
  function tellGap(): void {
    const message = `the server has lost the session '${options.clientId}', and what it kept for it: let it keep sessions on disk, and sessionExpiry be long enough`
    onGap?.(new BroadcasterError('MESSAGES_MISSED', message, { field: 'sessionExpiry' }))
  }

  function onMessage(attached: Attached, packet: PublishPacket): void {
    if (isForAnother(packet, consumer)) acknowledge(attached, packet)
    else attached.received.add(packet)
  }

  function deliveryOf(attached: Attached, packet: PublishPacket): Delivery {
    const decoded = readMessage(packet)
    const { received } = attached
    const conclude = (): void => concludeOne(attached, packet)
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      // The server says only that this is not the first time.
      count: packet.dup ? 2 : 1,
      position: `${packet.topic} ${packet.messageId ?? ''}`.trim(),
      lost: received.lost,
      async acknowledge() {
        conclude()
        await attached.roundTrip.next()
      },
      release: async () => {
        refuseUnlessHeld(attached, packet)
        // MQTT cannot give a message back while the connection lasts: it is kept here, ahead of later ones.
        received.putBack(packet)
      },
      deadLetter: (reason) => putDead(attached, packet, reason),
    }
  }

  function concludeOne(attached: Attached, packet: PublishPacket): void {
    refuseUnlessHeld(attached, packet)
    attached.received.conclude(packet)
    acknowledge(attached, packet)
  }

  async function putDead(attached: Attached, packet: PublishPacket, reason: DeadLetterReason): Promise<void> {
    refuseUnlessHeld(attached, packet)
    const { deadLetter, timeout } = options
    const topic = deadTopicOf(options, consumer)
    const { client } = attached
    let nobody = false
    const onPacket = ({ cmd, reasonCode }: { readonly cmd: string; readonly reasonCode?: number }): void => {
      if (cmd === 'puback' && reasonCode === NO_MATCHING_SUBSCRIBERS) nobody = true
    }
    client.on('packetreceive', onPacket)
    try {
      await within(timeout, send(client, deadLetterMessage(topic, packet, reason, attached.largestPacket)))
    } catch (error) {
      throw errorOfConnection(error, 'the server did not take the dead letter')
    } finally {
      client.removeListener('packetreceive', onPacket)
    }
    if (nobody && deadLetter.requireSubscriber) {
      const details = { field: 'deadLetter', value: topic }
      throw new OutageError(`there is no subscriber to '${topic}', where dead letters go: it would be lost`, details)
    }
    concludeOne(attached, packet)
  }

  return {
    description: `mqtt ${options.topics.join(', ')}`,
    messaging: { system: 'mqtt', destination: options.topics.join(', ') },
    ...{ open, receive, close },
    ...(options.deadLetter.keep && {
      deadLetterPlace: (context: SubscriptionContext) => mqttLetterPlace(options, context.consumer),
    }),
  }
}

function acknowledge(attached: Attached, { qos, messageId }: PublishPacket): void {
  if (qos > 0 && messageId !== undefined) attached.acknowledge(messageId)
}

function refuseUnlessHeld({ received }: Attached, packet: PublishPacket): void {
  if (received.has(packet)) return
  const said = received.lost.aborted ? 'the connection was lost: the message comes again' : 'it was concluded'
  throw new BroadcasterError('CLOSED', said)
}
