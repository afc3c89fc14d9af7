import { isUtf8 } from 'node:buffer'
import { BroadcasterError } from '../errors.ts'
import { type BinaryBinding, decodeBinary, encodeBinary } from './binary.ts'
import type { EncodableEvent } from './cloud-event.ts'
import { contentModeOf } from './http.ts'
import { decodeStructured } from './structured.ts'

/** An AMQP message in binary mode. `body` null = an empty one. */
export interface AmqpMessage {
  /** The property `content-type`; undefined = none. */
  readonly contentType: string | undefined
  /** The attributes, as application properties. */
  readonly headers: Readonly<Record<string, string | number | boolean>>
  /** The data: text, bytes, or null without any. */
  readonly body: string | Uint8Array | null
}

/** The prefix of an attribute's name; the binding prefers it to `cloudEvents:`, which JMS cannot select by. */
const PREFIX = 'cloudEvents_'

/** `decodeBinary` is given names in lower case. */
const BINDING: BinaryBinding = {
  prefix: PREFIX.toLowerCase(),
  contentType: 'content-type',
  encodeValue: (text) => text,
  decodeValue: (value) => value,
}

/** The CloudEvents AMQP binding in binary mode; numbers and booleans keep their type. */
export function encodeBinaryAmqp(event: EncodableEvent): AmqpMessage {
  const { headers, body } = encodeBinary(event, BINDING)
  const attributes = Object.entries(event.attributes).filter(([name]) => name !== 'datacontenttype')
  return {
    contentType: headers[BINDING.contentType],
    headers: Object.fromEntries(attributes.map(([name, value]) => [PREFIX + name, value])),
    body,
  }
}

/**
 * Reads the event of an AMQP message in either mode and with either prefix; in binary mode all attributes come back as
 * strings. Throws `DECODE_FAILED`.
 */
export function decodeAmqp(
  contentType: string | undefined,
  headers: Readonly<Record<string, unknown>> | undefined,
  body: string | Uint8Array,
): EncodableEvent {
  if (contentModeOf(contentType) === 'structured') return decodeStructured(body)
  const pairs = Object.entries(headers ?? {}).flatMap(([name, value]): [string, string][] => {
    const text = textOf(value, name)
    return text === undefined ? [] : [[name.replace(/^cloudEvents:/i, PREFIX), text]]
  })
  if (contentType !== undefined) pairs.push([BINDING.contentType, contentType])
  return decodeBinary(pairs, body, BINDING)
}

/**
 * A header's value as text; undefined = none, like an absent attribute. A timestamp is seconds since 1970. Throws `DECODE_FAILED` for
 * an attribute of bytes that are not UTF-8; any other header of such bytes is none.
 */
function textOf(value: unknown, name: string): string | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value !== 'object') return String(value)
  if (value instanceof Uint8Array) {
    if (isUtf8(value)) return new TextDecoder().decode(value)
    if (!/^cloudEvents[:_]/i.test(name)) return undefined
    const message = `the header ${name} is not text in UTF-8; whoever writes the messages must encode it so`
    throw new BroadcasterError('DECODE_FAILED', message, { field: name })
  }
  if (!('!' in value && 'value' in value)) return JSON.stringify(value)
  if (value['!'] === 'timestamp' && typeof value.value === 'number') return instantOf(value.value)
  return textOf(value.value, name)
}

function instantOf(seconds: number): string {
  const instant = new Date(seconds * 1_000)
  return Number.isNaN(instant.getTime()) ? String(seconds) : instant.toISOString()
}
