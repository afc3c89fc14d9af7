import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { endClient, openClient } from '../../backend/mqtt/open-client.ts'
import { errorOfConnection } from '../../backend/mqtt/send-failure.ts'
import { within } from '../../backend/mqtt/waiting.ts'
import { type DeadLetter, type DeadLetterPage, type DeadLetterPlace, isReasonHeader } from '../dead-letter-place.ts'
import { LETTER, requeuedMessage } from './dead-letter.ts'
import { acknowledgeByHand } from './manual-acknowledgement.ts'
import type { ResolvedMqttSubscriptionOptions } from './options.ts'
import { readMessage } from './read-message.ts'
import { RoundTrip } from './round-trip.ts'

type PublishPacket = import('mqtt').IPublishPacket
type MqttJsClient = import('mqtt').MqttClient

/** No more letters come when none has come for so long, in milliseconds. */
const QUIET = 200

/** What the session holds, while we are connected to it; what is not acknowledged stays there. */
interface OpenSession {
  readonly client: MqttJsClient
  readonly letters: readonly PublishPacket[]
  acknowledge(letter: PublishPacket): Promise<void>
}

/**
 * The dead letters of one consumer, in a session of their own: a topic keeps nothing by itself. The server hands out as many
 * at once as it allows a client (Mosquitto: `max_inflight_messages`, 20 if not changed), so no more than those are seen.
 */
export class MqttLetterPlace implements DeadLetterPlace {
  readonly description: string
  readonly #options: ResolvedMqttSubscriptionOptions
  readonly #consumer: string
  /** One connection at a time: a second one of the same name ends the first. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: ResolvedMqttSubscriptionOptions, consumer: string) {
    this.#options = options
    this.#consumer = consumer
    this.description = `mqtt ${deadTopicOf(options, consumer)}`
  }

  /** Makes the session, so that letters have somewhere to go from now on. */
  prepare(): Promise<void> {
    return this.#visit('go', async () => undefined)
  }

  list({ limit, after }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    signal.throwIfAborted()
    return this.#visit('read', async ({ letters }) => {
      const all = letters.map(letterOf)
      const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
      return all.slice(start, start + limit)
    })
  }

  requeue(id: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    return this.#visit('read', async ({ client, letters, acknowledge }) => {
      const letter = letters.find((each) => idOf(each) === id)
      if (!letter) return false
      const { topic, payload, options } = requeuedMessage(letter, this.#consumer)
      const { qos, retain, properties } = options
      await within(this.#options.ackTimeout, client.publishAsync(topic, payload, { qos, retain, properties }))
      await acknowledge(letter)
      return true
    })
  }

  async close(): Promise<void> {
    await this.#last
  }

  #visit<T>(what: 'go' | 'read', work: (session: OpenSession) => Promise<T>): Promise<T> {
    const visit = this.#last.then(() => this.#open(what, work))
    this.#last = visit.catch(() => undefined)
    return visit
  }

  async #open<T>(what: 'go' | 'read', work: (session: OpenSession) => Promise<T>): Promise<T> {
    const { ackTimeout, connectTimeout, sessionExpiry } = this.#options
    const letters: PublishPacket[] = []
    const lost = new AbortController()
    let acknowledge = (_id: number): void => undefined
    const session = {
      clientId: `${this.#consumer}-dead`,
      clean: false,
      properties: { sessionExpiryInterval: sessionExpiry, receiveMaximum: 65_535 },
    }
    const { client } = await openClient(this.#options, session, (made) => {
      acknowledge = acknowledgeByHand(made)
      made.on('message', (_topic, _payload, packet) => void letters.push(packet))
      made.on('error', () => undefined)
      made.on('close', () => lost.abort())
    })
    const roundTrip = new RoundTrip(client, ackTimeout, lost.signal)
    try {
      await within(ackTimeout, client.subscribeAsync(deadTopicOf(this.#options, this.#consumer), { qos: 1 }))
      await roundTrip.next()
      for (let seen = -1; what === 'read' && seen < letters.length; ) {
        seen = letters.length
        await delay(QUIET)
      }
      return await work({
        client,
        letters,
        async acknowledge({ messageId }) {
          if (messageId !== undefined) acknowledge(messageId)
          await roundTrip.next()
        },
      })
    } catch (error) {
      throw errorOfConnection(error, `cannot read the dead letters of '${this.#consumer}'`)
    } finally {
      await endClient(client, connectTimeout)
    }
  }
}

/** Where a consumer's dead letters go. */
export function deadTopicOf({ deadLetter }: ResolvedMqttSubscriptionOptions, consumer: string): string {
  return deadLetter.topic ?? `dead/${consumer}`
}

function letterOf(letter: PublishPacket): DeadLetter {
  const { payload, properties } = letter
  const reason = (name: string): string => textOf(properties?.userProperties?.[`broadcaster-${name}`])
  const own = Object.entries(properties?.userProperties ?? {}).filter(([name]) => !isReasonHeader(name))
  return {
    id: idOf(letter),
    ...readMessage({ payload, properties: { ...properties, userProperties: Object.fromEntries(own) } }),
    body: Buffer.from(payload),
    consumer: reason('consumer'),
    error: reason('error'),
    attempts: Number(reason('attempts')),
    position: reason('topic'),
  }
}

function idOf({ payload, properties }: PublishPacket): string {
  const given = textOf(properties?.userProperties?.[LETTER])
  // One of an earlier version has no id of its own.
  return given === '' ? createHash('sha256').update(payload).digest('hex') : given
}

function textOf(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : value?.[0]) ?? ''
}
