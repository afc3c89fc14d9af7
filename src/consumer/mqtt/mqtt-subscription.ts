import { dropClient, endClient, openClient } from '../../backend/mqtt/open-client.ts'
import { describeReason } from '../../backend/mqtt/reason.ts'
import { errorOfConnection } from '../../backend/mqtt/send-failure.ts'
import { untilAborted, within } from '../../backend/mqtt/waiting.ts'
import { OutageError } from '../../backend/send-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { orderKeyOf } from '../order-key.ts'
import type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from '../subscription.ts'
import { deadLetterMessage } from './dead-letter.ts'
import { deadTopicOf, MqttLetterPlace } from './letter-place.ts'
import { acknowledgeByHand } from './manual-acknowledgement.ts'
import {
  isShareName,
  type MqttSubscriptionOptions,
  type ResolvedMqttSubscriptionOptions,
  resolveSubscriptionOptions,
} from './options.ts'
import { isForAnother, readMessage } from './read-message.ts'
import { RoundTrip } from './round-trip.ts'

export type { MqttDeadLetter, MqttSubscriptionOptions } from './options.ts'

type MqttJsClient = import('mqtt').MqttClient
type PublishPacket = import('mqtt').IPublishPacket

/**
 * Receives from a subscription of an MQTT 5 server, shared by the processes of a consumer unless told otherwise. Guarantees
 * and advice for production are in `docs/backends/mqtt.md`.
 *
 * @example mqttSubscription({ url: 'mqtt://localhost', clientId: 'billing-1', topics: 'events/#' })
 */
export function mqttSubscription(options: MqttSubscriptionOptions): Subscription {
  return new MqttSubscription(resolveSubscriptionOptions(options))
}

/** How long `receive` waits for a message, in milliseconds. */
const WAIT = 5_000
const REFUSED = 0x80
const NO_MATCHING_SUBSCRIBERS = 0x10

/** A connection; what it handed out is lost with it, and comes again on the next one. */
interface Attached {
  readonly client: MqttJsClient
  readonly lost: AbortController
  /** Received and not handed out yet. */
  readonly waiting: PublishPacket[]
  readonly held: Set<PublishPacket>
  acknowledge: (messageId: number) => void
  /** Shows that the server has read what was written before. */
  readonly roundTrip: RoundTrip
  error: unknown
  /** In bytes; undefined = no limit. */
  largestPacket: number | undefined
}

class MqttSubscription implements Subscription {
  readonly description: string
  readonly deadLetterPlace?: (context: SubscriptionContext) => MqttLetterPlace
  readonly #options: ResolvedMqttSubscriptionOptions
  #consumer = ''
  #onGap: SubscriptionContext['onGap']
  #hadSession = false
  #attached: Attached | undefined
  #attaching: Promise<Attached> | undefined
  #changed = Promise.withResolvers<void>()
  #closing: Promise<void> | undefined

  constructor(options: ResolvedMqttSubscriptionOptions) {
    this.#options = options
    this.description = `mqtt ${options.topics.join(', ')}`
    if (options.deadLetter.keep) this.deadLetterPlace = ({ consumer }) => new MqttLetterPlace(options, consumer)
  }

  async open({ consumer, onGap }: SubscriptionContext, signal: AbortSignal): Promise<void> {
    this.#refuseIfClosed()
    if (this.#options.share === undefined && !isShareName(consumer)) {
      const message = `the consumer's name '${consumer}' is no name for a shared subscription; give the option share`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'share', value: consumer })
    }
    this.#consumer = consumer
    this.#onGap = onGap
    if (this.#options.deadLetter.keep) {
      await untilAborted(new MqttLetterPlace(this.#options, consumer).prepare(), signal)
    }
    await untilAborted(this.#attach(), signal)
  }

  async receive(limit: number, signal: AbortSignal): Promise<readonly Delivery[]> {
    this.#refuseIfClosed()
    if (signal.aborted) return []
    let attached: Attached
    try {
      attached = await untilAborted(this.#attach(), signal)
    } catch (error) {
      if (signal.aborted || this.#closing !== undefined) return []
      throw error
    }
    if (attached.waiting.length === 0 && !attached.lost.signal.aborted) await this.#change(signal)
    if (attached.lost.signal.aborted) {
      if (signal.aborted || this.#closing !== undefined) return []
      throw errorOfConnection(attached.error, 'the connection to the MQTT server was lost')
    }
    return attached.waiting.splice(0, limit).map((packet) => this.#deliveryOf(attached, packet))
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#tell()
    await this.#attaching?.catch(() => undefined)
    const attached = this.#attached
    // What is not acknowledged stays in the session, for whoever comes next under this name.
    if (attached) await endClient(attached.client, this.#options.connectTimeout)
    this.#lose(attached, undefined)
  }

  #attach(): Promise<Attached> {
    if (this.#attached) return Promise.resolve(this.#attached)
    this.#attaching ??= this.#attachAnew().finally(() => {
      this.#attaching = undefined
    })
    return this.#attaching
  }

  async #attachAnew(): Promise<Attached> {
    const { clientId, sessionExpiry, prefetch, topics, share = this.#consumer, ackTimeout } = this.#options
    const properties = { sessionExpiryInterval: sessionExpiry, receiveMaximum: prefetch }
    let attached: Attached | undefined
    // The server hands out what the session holds as soon as it has accepted the connection.
    const { client, connack } = await openClient(this.#options, { clientId, clean: false, properties }, (made) => {
      const lost = new AbortController()
      const each: Attached = {
        client: made,
        lost,
        waiting: [],
        roundTrip: new RoundTrip(made, ackTimeout, lost.signal),
        held: new Set(),
        acknowledge: acknowledgeByHand(made),
        error: undefined,
        largestPacket: undefined,
      }
      attached = each
      made.on('message', (_topic, _payload, packet) => this.#onMessage(each, packet))
      made.on('error', (error) => void (each.error ??= error))
      made.on('disconnect', ({ reasonCode = 0 }) => {
        each.error ??= new Error(describeReason(reasonCode))
        // A server that shuts down or moves may leave it open, and wait for us to go.
        dropClient(made)
      })
      made.on('close', () => this.#lose(each, undefined))
    })
    if (attached === undefined) throw new OutageError('no connection to the MQTT server')
    attached.largestPacket = connack.properties?.maximumPacketSize
    try {
      const filters = topics.map((topic) => (share === false ? topic : `$share/${share}/${topic}`))
      const granted = await within(ackTimeout, client.subscribeAsync([...filters], { qos: 1 }))
      const refused = granted.find(({ qos }) => Number(qos) >= REFUSED)
      if (refused) {
        const said = describeReason(Number(refused.qos))
        throw new OutageError(`the server refuses the subscription to '${refused.topic}': ${said}`)
      }
    } catch (error) {
      dropClient(client)
      throw errorOfConnection(error, `cannot subscribe to ${topics.join(', ')}`)
    }
    if (attached.lost.signal.aborted) throw errorOfConnection(attached.error, 'the connection was lost')
    this.#attached = attached
    if (this.#hadSession && !connack.sessionPresent) this.#tellGap()
    this.#hadSession = true
    return attached
  }

  /** The server has forgotten the session that this process had: what it kept for us while we were away went with it. */
  #tellGap(): void {
    const message = `the server has lost the session '${this.#options.clientId}', and what it kept for it: let it keep sessions on disk, and sessionExpiry be long enough`
    this.#onGap?.(new BroadcasterError('MESSAGES_MISSED', message, { field: 'sessionExpiry' }))
  }

  #onMessage(attached: Attached, packet: PublishPacket): void {
    attached.held.add(packet)
    if (isForAnother(packet, this.#consumer)) {
      this.#acknowledge(attached, packet)
      return
    }
    attached.waiting.push(packet)
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

  #deliveryOf(attached: Attached, packet: PublishPacket): Delivery {
    const decoded = readMessage(packet)
    const conclude = (): void => this.#acknowledge(attached, packet)
    return {
      ...decoded,
      key: orderKeyOf(decoded.event),
      // The server says only that it is not the first time.
      count: packet.dup ? 2 : 1,
      position: `${packet.topic} ${packet.messageId ?? ''}`.trim(),
      lost: attached.lost.signal,
      async acknowledge() {
        conclude()
        await attached.roundTrip.next()
      },
      release: async () => {
        this.#refuseUnlessHeld(attached, packet)
        // MQTT has no way to give a message back while the connection lasts: it is kept here, before later ones.
        const at = attached.waiting.findIndex((each) => isLater(attached, each, packet))
        attached.waiting.splice(at < 0 ? attached.waiting.length : at, 0, packet)
      },
      deadLetter: (reason) => this.#deadLetter(attached, packet, reason),
    }
  }

  #acknowledge(attached: Attached, packet: PublishPacket): void {
    this.#refuseUnlessHeld(attached, packet)
    attached.held.delete(packet)
    if (packet.qos > 0 && packet.messageId !== undefined) attached.acknowledge(packet.messageId)
  }

  async #deadLetter(attached: Attached, packet: PublishPacket, reason: DeadLetterReason): Promise<void> {
    this.#refuseUnlessHeld(attached, packet)
    const { deadLetter, ackTimeout } = this.#options
    const topic = deadTopicOf(this.#options, this.#consumer)
    const { client } = attached
    let nobody = false
    const onPacket = ({ cmd, reasonCode }: { readonly cmd: string; readonly reasonCode?: number }): void => {
      if (cmd === 'puback' && reasonCode === NO_MATCHING_SUBSCRIBERS) nobody = true
    }
    client.on('packetreceive', onPacket)
    try {
      const { payload, options } = deadLetterMessage(topic, packet, reason, attached.largestPacket)
      const { qos, retain, properties } = options
      await within(ackTimeout, client.publishAsync(topic, payload, { qos, retain, properties }))
    } catch (error) {
      throw errorOfConnection(error, 'the server did not take the dead letter')
    } finally {
      client.removeListener('packetreceive', onPacket)
    }
    if (nobody && deadLetter.requireSubscriber) {
      const details = { field: 'deadLetter', value: topic }
      throw new OutageError(`nobody has subscribed to '${topic}', where dead letters go: it would be lost`, details)
    }
    this.#acknowledge(attached, packet)
  }

  #refuseUnlessHeld(attached: Attached, packet: PublishPacket): void {
    if (attached.held.has(packet)) return
    const lost = attached.lost.signal.aborted
    throw new BroadcasterError('CLOSED', lost ? 'the connection was lost: the message comes again' : 'it was concluded')
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'this subscription is closed')
  }
}

/** Whether one came after another; what is held is in the order received. */
function isLater({ held }: Attached, one: PublishPacket, other: PublishPacket): boolean {
  for (const each of held) {
    if (each === other) return true
    if (each === one) return false
  }
  return false
}
