import { BroadcasterError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'
import { type BinaryBinding, type BinaryMessage, decodeBinary, encodeBinary, type HeadersInput } from './binary.ts'
import type { EncodableEvent } from './cloud-event.ts'
import { decodeBatch, decodeStructured } from './structured.ts'

/** How an HTTP message carries events. */
export type ContentMode = 'structured' | 'batch' | 'binary'

/** Everything but visible ASCII, and the three characters that need escaping (HTTP binding, section 3.1.3.2). */
const TO_ESCAPE = /[^\x21\x23\x24\x26-\x7e]+/g
const ESCAPED_RUN = /(?:%[0-9A-Fa-f]{2})+/g
const HEX = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
const QUOTED_PAIR = /\\(.)/gs

/** Percent-encodes an attribute for a header, as the CloudEvents HTTP binding says. */
export function encodeHeaderValue(text: string): string {
  return text.replace(TO_ESCAPE, (run) => {
    let escaped = ''
    for (const byte of Buffer.from(run)) escaped += HEX[byte] ?? ''
    return escaped
  })
}

/** Reads such a header: unquotes it, then decodes it once. Throws when the bytes are not UTF-8. */
export function decodeHeaderValue(value: string): string {
  const plain = isQuoted(value) ? value.slice(1, -1).replace(QUOTED_PAIR, '$1') : value
  return plain.replace(ESCAPED_RUN, (run) => decodeURIComponent(run))
}

function isQuoted(value: string): boolean {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return false
  // Once the escaped pairs are gone, no quote and no backslash may be left.
  return !/["\\]/.test(value.slice(1, -1).replace(QUOTED_PAIR, ''))
}

/** The CloudEvents HTTP binding in binary mode. */
export const HTTP_BINDING: BinaryBinding = {
  prefix: 'ce-',
  contentType: 'content-type',
  encodeValue: encodeHeaderValue,
  decodeValue: decodeHeaderValue,
}

/** The event as an HTTP message in binary mode: `ce-` headers and the data as the body. */
export function encodeBinaryHttp(event: EncodableEvent): BinaryMessage {
  return encodeBinary(event, HTTP_BINDING)
}

/** Reads an HTTP message in binary mode. Throws `DECODE_FAILED`. */
export function decodeBinaryHttp(headers: HeadersInput, body: string | Uint8Array | null | undefined): EncodableEvent {
  return decodeBinary(headers, body, HTTP_BINDING)
}

/** Reads the events of an HTTP message in any mode; a single event gives a list of one. Throws `DECODE_FAILED`. */
export function decodeHttp(headers: HeadersInput, body: string | Uint8Array | null | undefined): EncodableEvent[] {
  switch (contentModeOf(contentTypeOf(headers))) {
    case 'structured':
      return [decodeStructured(body ?? '')]
    case 'batch':
      return decodeBatch(body ?? '')
    case 'binary':
      return [decodeBinaryHttp(headers, body)]
  }
}

const EVENT_FORMAT = /^application\/cloudevents(-batch)?(?:\+([^ \t;]*))?[ \t]*(?:;|$)/

/** The mode that a content type announces. Throws `DECODE_FAILED` for an event format other than JSON, such as Avro. */
export function contentModeOf(contentType: string | undefined): ContentMode {
  const found = EVENT_FORMAT.exec((contentType ?? '').trim().toLowerCase())
  if (!found) return 'binary'
  const [, batch, format = 'json'] = found
  if (format === 'json') return batch === undefined ? 'structured' : 'batch'
  throw new BroadcasterError(
    'DECODE_FAILED',
    `the event is in the format ${showValue(format)}, which is not read here; send application/cloudevents+json, or binary mode`,
    { field: 'content-type', value: contentType },
  )
}

function contentTypeOf(headers: HeadersInput): string | undefined {
  const pairs = Symbol.iterator in headers ? [...headers] : Object.entries(headers)
  const value = pairs.find(([name]) => name.toLowerCase() === 'content-type')?.[1]
  return typeof value === 'string' ? value : value?.[0]
}
