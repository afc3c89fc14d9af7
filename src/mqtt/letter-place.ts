import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterPlace,
  isReasonHeader,
  letterOf,
} from '../consumer/dead-letter-place.ts'
import { BroadcasterError } from '../errors.ts'
import { LETTER, requeuedMessage, send } from './dead-letter.ts'
import { acknowledgeByHand } from './manual-acknowledgement.ts'
import { endClient, openClient } from './open-client.ts'
import { readMessage } from './read-message.ts'
import { pinger } from './round-trip.ts'
import { errorOfConnection } from './send-failure.ts'
import { within } from './server-answer.ts'
import { ownDeadLetters, type ResolvedMqttSubscriptionOptions } from './subscription-options.ts'
import { takesTopic } from './topic.ts'

type PublishPacket = import('mqtt').IPublishPacket
type MqttJsClient = import('mqtt').MqttClient

/** When no letter has come for this long, in milliseconds, there are no more. */
const QUIET = 200

/** The session while we are connected to it; what is not acknowledged stays in it. */
interface OpenSession {
  readonly client: MqttJsClient
  readonly letters: readonly PublishPacket[]
  acknowledge(letter: PublishPacket): Promise<void>
}

/**
 * The dead letters of one consumer, in their own session: a topic keeps nothing by itself. The server delivers as many
 * at once as it allows a client (Mosquitto: `max_inflight_messages`, default 20), so no more than those are visible.
 */
export function mqttLetterPlace(options: ResolvedMqttSubscriptionOptions, consumer: string) {
  /** One connection at a time: a second one with the same client id ends the first. */
  let last: Promise<unknown> = Promise.resolve()
  const dead = deadTopicOf(options, consumer)
  const { timeout, connectTimeout, sessionExpiry } = options

  /** Makes the session, which keeps letters from now on. */
  function prepare(): Promise<void> {
    return visit('go', async () => undefined)
  }

  function list({ limit, after }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    signal.throwIfAborted()
    return visit('read', async ({ letters }) => {
      const all = letters.map(read)
      const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
      return all.slice(start, start + limit)
    })
  }

  function requeue(id: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    return visit('read', async ({ client, letters, acknowledge }) => {
      const letter = letters.find((each) => idOf(each) === id)
      if (!letter) return false
      await within(timeout, send(client, requeuedMessage(letter, consumer)))
      await acknowledge(letter)
      return true
    })
  }

  function visit<T>(what: 'go' | 'read', work: (session: OpenSession) => Promise<T>): Promise<T> {
    const visiting = last.then(() => open(what, work))
    last = visiting.catch(() => undefined)
    return visiting
  }

  async function open<T>(what: 'go' | 'read', work: (session: OpenSession) => Promise<T>): Promise<T> {
    const letters: PublishPacket[] = []
    const lost = new AbortController()
    let acknowledge = (_id: number): void => undefined
    const session = {
      clientId: `${consumer}-dead`,
      clean: false,
      properties: { sessionExpiryInterval: sessionExpiry, receiveMaximum: 65_535 },
    }
    const { client } = await openClient(options, session, (made) => {
      acknowledge = acknowledgeByHand(made)
      made.on('message', (_topic, _payload, packet) => void letters.push(packet))
      made.on('error', () => undefined)
      made.on('close', () => lost.abort())
    })
    const roundTrip = pinger(client, timeout, lost.signal)
    try {
      await within(timeout, client.subscribeAsync(dead, { qos: 1 }))
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
      throw errorOfConnection(error, `cannot read the dead letters of '${consumer}'`)
    } finally {
      await endClient(client, connectTimeout)
    }
  }

  const place: DeadLetterPlace = {
    description: `mqtt ${dead}`,
    ...{ list, requeue },
    close: async () => void (await last),
  }
  return { ...place, prepare }
}

/** The topic of a consumer's dead letters. Throws `INVALID_OPTION` when the consumer would read them itself. */
export function deadTopicOf({ deadLetter, topics }: ResolvedMqttSubscriptionOptions, consumer: string): string {
  const topic = deadLetter.topic ?? `dead/${consumer}`
  const filter = topics.find((each) => takesTopic(each, topic))
  if (filter === undefined) return topic
  const message = `deadLetter ${ownDeadLetters(filter, topic)}`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'deadLetter', value: topic })
}

function read(letter: PublishPacket): DeadLetter {
  const { payload, properties } = letter
  const reason = (name: string): string => textOf(properties?.userProperties?.[`broadcaster-${name}`])
  const own = Object.entries(properties?.userProperties ?? {}).filter(([name]) => !isReasonHeader(name))
  const event = readMessage({ payload, properties: { ...properties, userProperties: Object.fromEntries(own) } })
  return letterOf(idOf(letter), Buffer.from(payload), event, reason('topic'), reason)
}

function idOf({ payload, properties }: PublishPacket): string {
  const given = textOf(properties?.userProperties?.[LETTER])
  // A letter of an earlier version has no id.
  return given === '' ? createHash('sha256').update(payload).digest('hex') : given
}

function textOf(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : value?.[0]) ?? ''
}
