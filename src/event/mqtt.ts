import { type BinaryBinding, decodeBinary, encodeBinary } from './binary.ts'
import type { EncodableEvent } from './cloud-event.ts'
import { contentModeOf } from './http.ts'
import { decodeStructured, encodeStructured, STRUCTURED_CONTENT_TYPE } from './structured.ts'

/** An event as an MQTT 5 PUBLISH. Text is to be written as UTF-8; payload null = an empty one. */
export interface MqttMessage {
  /** The property Content Type. */
  readonly contentType: string | undefined
  /** The attributes; none when the payload is the whole event. */
  readonly userProperties: Readonly<Record<string, string>>
  /** The data, or the whole event as JSON; null without data. */
  readonly payload: string | Uint8Array | null
}

/**
 * Attributes are user properties under their own names; `datacontenttype` is the property Content Type, and a user
 * property as well: the official JavaScript SDK knows only that.
 */
const BINDING: BinaryBinding = {
  prefix: '',
  contentType: 'content-type',
  encodeValue: (text) => text,
  decodeValue: (value) => value,
}
/** Names that an attribute may have; other user properties are not ours. */
const ATTRIBUTE = /^[a-z0-9]+$/

/** The event in binary mode (MQTT binding, section 3.1): MQTT 5 only. */
export function encodeBinaryMqtt(event: EncodableEvent): MqttMessage {
  const { headers, body } = encodeBinary(event, BINDING)
  const { 'content-type': contentType, ...attributes } = headers
  const userProperties = contentType === undefined ? attributes : { ...attributes, datacontenttype: contentType }
  return { contentType, userProperties, payload: body }
}

/** The event in structured mode (MQTT binding, section 3.2). */
export function encodeStructuredMqtt(event: EncodableEvent): MqttMessage {
  return { contentType: STRUCTURED_CONTENT_TYPE, userProperties: {}, payload: encodeStructured(event) }
}

/**
 * Reads the event of a message in whichever mode it has; one without the user property `specversion` is structured, as
 * with MQTT 3. Of a repeated property the first counts. Without a Content Type the user property `datacontenttype`
 * counts. Throws `DECODE_FAILED`.
 */
export function decodeMqtt(
  contentType: string | undefined,
  userProperties: Readonly<Record<string, string | readonly string[] | undefined>> | null | undefined,
  payload: string | Uint8Array | null | undefined,
): EncodableEvent {
  const properties = new Map<string, string>()
  for (const [name, value] of Object.entries(userProperties ?? {})) {
    // Whoever made the packet may have put anything there, even an empty list.
    const text: unknown = Array.isArray(value) ? value[0] : value
    if (ATTRIBUTE.test(name) && typeof text === 'string') properties.set(name, text)
  }
  const type = typeof contentType === 'string' ? contentType : properties.get('datacontenttype')
  if (contentModeOf(type) === 'structured' || !properties.has('specversion')) return decodeStructured(payload ?? '')
  properties.delete('datacontenttype')
  const pairs = [...properties]
  if (type !== undefined) pairs.push([BINDING.contentType, type])
  return decodeBinary(pairs, payload, BINDING)
}
