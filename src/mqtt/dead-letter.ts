import { randomUUID } from 'node:crypto'
import { isReasonHeader, REQUEUED_FOR } from '../consumer/dead-letter-place.ts'
import { errorText } from '../consumer/error-text.ts'
import { fitHeaders, LEFT_OUT, leftOutText } from '../consumer/fit-headers.ts'
import type { DeadLetterReason } from '../consumer/subscription.ts'
import type { MqttPublishOptions } from './client.ts'
import { type Message, packetSize } from './message.ts'
import { fitText } from './mqtt-string.ts'

type PublishPacket = import('mqtt').IPublishPacket
type Properties = Readonly<Record<string, string | string[]>>

/** The user property that names a dead letter. */
export const LETTER = 'broadcaster-letter'
/** The largest packet that MQTT has, in bytes, where the server says nothing. */
const LARGEST = 268_435_455
/** How much of an error's text stays where there is no room for all of it, in characters. */
const SHORT = 100
/** The most that naming what was left out may take, in bytes: four a character, and the property's own name. */
const ROOM_TO_SAY_SO = 4 * SHORT + 30

/**
 * A dead letter: the message that was given up, with its properties and the reason among them. A packet that is too
 * large for the server would end the connection, and the message would come back for ever. So the reason is shortened,
 * then the largest properties are left out (`broadcaster-left-out` names them), and finally the end of the payload is
 * cut off (`broadcaster-truncated`: the bytes it had).
 */
export function deadLetterMessage(
  topic: string,
  packet: PublishPacket,
  reason: DeadLetterReason,
  limit = LARGEST,
): Message {
  const payload = Buffer.from(packet.payload)
  const error = fitText(errorText(reason.error))
  // A message that was requeued and is given up again has only one reason.
  const given: Properties = Object.fromEntries(
    Object.entries(packet.properties?.userProperties ?? {}).filter(([name]) => !isReasonHeader(name)),
  )
  const id = randomUUID()
  const make = (user: Properties, text = error.slice(0, SHORT), body = payload): Message => ({
    topic,
    payload: body,
    options: optionsOf(packet, { ...user, ...reasonOf(packet, reason, text), [LETTER]: id }),
  })
  const whole = make(given, error)
  if (packetSize(whole) <= limit) return whole
  const sized = Object.entries(given)
  const size = sized.reduce((sum, [name, value]) => sum + sizeOf(name, value), 0)
  const excess = packetSize(make(given)) + ROOM_TO_SAY_SO - limit
  const { kept, leftOut } = fitHeaders(sized, size - excess, sizeOf)
  const said: Properties = {
    ...Object.fromEntries(kept),
    ...(leftOut.length > 0 && { [LEFT_OUT]: fitText(leftOutText(leftOut, SHORT)) }),
  }
  const letter = make(said)
  if (packetSize(letter) <= limit) return letter
  const cut = { ...said, 'broadcaster-truncated': String(payload.length) }
  const left = payload.length + limit - packetSize(make(cut))
  return make(cut, error.slice(0, SHORT), payload.subarray(0, Math.max(0, left)))
}

/** The message of a dead letter as it was before, for the consumer that gave it up: those of other names skip it. */
export function requeuedMessage(letter: PublishPacket, consumer: string): Message {
  const user = letter.properties?.userProperties ?? {}
  const own = Object.entries(user).filter(([name]) => !isReasonHeader(name))
  return {
    topic: String(user['broadcaster-topic'] ?? ''),
    payload: Buffer.from(letter.payload),
    options: optionsOf(letter, { ...Object.fromEntries(own), [REQUEUED_FOR]: consumer }),
  }
}

/** Publishes one of them, or the message that it was. Resolves with the acknowledgement. */
export function send(client: import('mqtt').MqttClient, { topic, payload, options }: Message): Promise<unknown> {
  const { qos, retain, properties } = options
  return client.publishAsync(topic, payload, { qos, retain, properties })
}

function optionsOf({ properties = {} }: PublishPacket, userProperties: Properties): MqttPublishOptions {
  const { contentType, payloadFormatIndicator, responseTopic, correlationData } = properties
  return {
    qos: 1,
    retain: false,
    properties: {
      ...(contentType === undefined ? {} : { contentType }),
      ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator }),
      ...(responseTopic === undefined ? {} : { responseTopic }),
      ...(correlationData === undefined ? {} : { correlationData }),
      userProperties: { ...userProperties },
    },
  }
}

function reasonOf({ topic }: PublishPacket, { consumer, attempts }: DeadLetterReason, error: string): Properties {
  return {
    'broadcaster-consumer': fitText(consumer),
    'broadcaster-error': error,
    'broadcaster-attempts': String(attempts),
    'broadcaster-topic': topic,
  }
}

function sizeOf(name: string, value: string | readonly string[]): number {
  const values = typeof value === 'string' ? [value] : value
  return values.reduce((size, each) => size + Buffer.byteLength(name) + Buffer.byteLength(each) + 5, 0)
}
