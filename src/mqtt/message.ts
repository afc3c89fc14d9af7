import { bodyBytes } from '../backend/body-bytes.ts'
import { PermanentError } from '../backend/send-error.ts'
import { encodeBinaryMqtt, encodeStructuredMqtt } from '../event/mqtt.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import type { MqttPublishOptions } from './client.ts'
import { isText } from './mqtt-string.ts'
import type { ResolvedMqttOptions } from './options.ts'
import { topicOf } from './topic.ts'

/** A message as it is published. */
export interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly options: MqttPublishOptions
}

/** Throws a `PermanentError` that names the attribute when binary mode cannot carry the event. */
export function checkProperties(event: OutgoingEvent): void {
  refuseUnfit(encodeBinaryMqtt(event.toEncodable()).userProperties)
}

/** The client would end the connection over a user property that cannot be written. */
function refuseUnfit(properties: Readonly<Record<string, string>>): void {
  for (const [field, value] of Object.entries(properties)) {
    if (isText(field) && isText(value)) continue
    const name = field.length > 60 ? `${field.slice(0, 60)}...` : field
    const what = isText(field) ? name : `the name of ${name}`
    const message = `${what} is longer than 65,535 bytes, or has a character that MQTT does not take`
    throw new PermanentError(message, { field, value })
  }
}

/** The message of an event. Throws a `PermanentError` when it cannot be written as one. */
export function messageOf(event: OutgoingEvent, options: ResolvedMqttOptions): Message {
  const topic = topicOf(options.topic, event)
  const encodable = event.toEncodable()
  const { contentType, userProperties, payload } =
    options.mode === 'binary' ? encodeBinaryMqtt(encodable) : encodeStructuredMqtt(encodable)
  refuseUnfit(userProperties)
  return {
    topic,
    payload: bodyBytes(payload),
    options: {
      qos: options.qos,
      retain: options.retain,
      properties: {
        ...(contentType === undefined ? {} : { contentType }),
        ...(Object.keys(userProperties).length === 0 ? {} : { userProperties: { ...userProperties } }),
        ...(options.expireAfter === undefined ? {} : { messageExpiryInterval: options.expireAfter }),
      },
    },
  }
}

/** The bytes of the PUBLISH packet of a message, as the server's Maximum Packet Size counts them. */
export function packetSize({ topic, payload, options: { properties } }: Message): number {
  const text = (value: string | undefined): number => (value === undefined ? 0 : 2 + Buffer.byteLength(value))
  let own = properties.contentType === undefined ? 0 : 1 + text(properties.contentType)
  if (properties.messageExpiryInterval !== undefined) own += 5
  if (properties.payloadFormatIndicator !== undefined) own += 2
  if (properties.responseTopic !== undefined) own += 1 + text(properties.responseTopic)
  if (properties.correlationData !== undefined) own += 3 + properties.correlationData.length
  for (const [name, values] of Object.entries(properties.userProperties ?? {})) {
    for (const value of typeof values === 'string' ? [values] : values) own += 1 + text(name) + text(value)
  }
  // 2: the packet identifier.
  const rest = text(topic) + 2 + sizeOfInteger(own) + own + payload.length
  return 1 + sizeOfInteger(rest) + rest
}

/** MQTT's integers of variable length: seven bits a byte. */
function sizeOfInteger(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : 4
}
