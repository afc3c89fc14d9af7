import { type BinaryBinding, decodeBinary, encodeBinary } from './binary.ts'
import type { EncodableEvent } from './cloud-event.ts'
import { contentModeOf } from './http.ts'
import { decodeStructured, encodeStructured, STRUCTURED_CONTENT_TYPE } from './structured.ts'

/** An event as an MQTT 5 PUBLISH. Text is to be written as UTF-8; payload null = an empty one. */
export interface MqttMessage {
  /** The property Content Type. */
  readonly contentType: string | undefined
  readonly userProperties: Readonly<Record<string, string>>
  readonly payload: string | Uint8Array | null
}

/** Attributes are user properties under their own names; `datacontenttype` is the property Content Type. */
const BINDING: BinaryBinding = {
  prefix: '',
  contentType: 'content-type',
  encodeValue: (text) => text,
  decodeValue: (value) => value,
}
/** What an attribute may be called; other user properties belong to somebody else. */
const ATTRIBUTE = /^[a-z0-9]+$/

/** The event in binary mode (MQTT binding, section 3.1): MQTT 5 only. */
export function encodeBinaryMqtt(event: EncodableEvent): MqttMessage {
  const { headers, body } = encodeBinary(event, BINDING)
  const { 'content-type': contentType, ...userProperties } = headers
  return { contentType, userProperties, payload: body }
}

/** The event in structured mode (MQTT binding, section 3.2). */
export function encodeStructuredMqtt(event: EncodableEvent): MqttMessage {
  return { contentType: STRUCTURED_CONTENT_TYPE, userProperties: {}, payload: encodeStructured(event) }
}

/**
 * Reads the event of a message in whichever mode it has; one without the user property `specversion` is structured, as
 * with MQTT 3. A client that gives a list for a property that came twice gets the first. Throws `DECODE_FAILED`.
 */
export function decodeMqtt(
  contentType: string | undefined,
  userProperties: Readonly<Record<string, string | readonly string[]>> | undefined,
  payload: string | Uint8Array | null | undefined,
): EncodableEvent {
  const properties = userProperties ?? {}
  if (contentModeOf(contentType) === 'structured' || !('specversion' in properties)) {
    return decodeStructured(payload ?? '')
  }
  const pairs = Object.entries(properties)
    .filter(([name]) => ATTRIBUTE.test(name))
    .map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : (value[0] ?? '')])
  if (contentType !== undefined) pairs.push([BINDING.contentType, contentType])
  return decodeBinary(pairs, payload, BINDING)
}
