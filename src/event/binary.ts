import { BroadcasterError } from '../errors.ts'
import { throwProblems } from '../foundation/problem.ts'
import { attributeProblems } from './attributes.ts'
import type { AttributeValue, EncodableEvent } from './cloud-event.ts'
import { charsetOf, isJsonType, isTextType } from './content-type.ts'
import { jsonProblem } from './json.ts'
import { decodeText } from './text.ts'

/** How a protocol carries an event in binary mode: each attribute is a header, the body is the data alone. */
export interface BinaryBinding {
  /** The prefix of an attribute's name: `ce-` in HTTP and NATS, `ce_` in Kafka. */
  readonly prefix: string
  /** The header that carries `datacontenttype`, without the prefix. */
  readonly contentType: string
  /** Writes an attribute's text as a header value. */
  readonly encodeValue: (text: string) => string
  /** Reads it back; throws when it cannot be read. */
  readonly decodeValue: (value: string) => string
}

/** A message in binary mode. Text bodies are to be written as UTF-8; null = no body. */
export interface BinaryMessage {
  /** The attributes, by the names of the headers. */
  readonly headers: Readonly<Record<string, string>>
  /** The data: text, bytes, or null without any. */
  readonly body: string | Uint8Array | null
}

/** Headers as a client or server library gives them; names in any case. Without a value = not there. */
export type HeadersInput =
  | Iterable<readonly [string, string | null | undefined]>
  | Readonly<Record<string, string | readonly string[] | null | undefined>>

/** The event in binary mode. JSON data is copied as text, other text is written plain, binary data as it is. */
export function encodeBinary(event: EncodableEvent, binding: BinaryBinding): BinaryMessage {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(event.attributes)) {
    if (name !== 'datacontenttype') headers[binding.prefix + name] = binding.encodeValue(String(value))
  }
  const contentType = event.attributes['datacontenttype'] as string | undefined
  if (contentType !== undefined) headers[binding.contentType] = contentType
  // In the JSON format an absent type means JSON; in other modes it must be stated.
  else if (event.dataJson !== null) headers[binding.contentType] = 'application/json'
  return { headers, body: event.dataBinary ?? plainText(event.dataJson, contentType) }
}

/**
 * Reads an event in binary mode; all attributes come back as strings. Data of a JSON type stays JSON text, other text
 * types become a JSON string, the rest bytes; an empty body is no data. Throws `DECODE_FAILED`.
 */
export function decodeBinary(
  headers: HeadersInput,
  body: string | Uint8Array | null | undefined,
  binding: BinaryBinding,
): EncodableEvent {
  const attributes: Record<string, AttributeValue> = {}
  for (const [given, value] of headerPairs(headers)) {
    const name = given.toLowerCase()
    if (name === binding.contentType) attributes['datacontenttype'] = value
    else if (name.startsWith(binding.prefix) && name !== `${binding.prefix}datacontenttype`) {
      attributes[name.slice(binding.prefix.length)] = decodeHeader(name, value, binding)
    }
  }
  const problems = attributeProblems(attributes, (name) =>
    name === 'datacontenttype' ? binding.contentType : binding.prefix + name,
  )
  throwProblems(
    'the event',
    problems.map((problem) => ({ ...problem, code: 'DECODE_FAILED' })),
  )
  return { attributes, ...decodeBody(body, attributes['datacontenttype'] as string | undefined) }
}

function plainText(dataJson: string | null, contentType: string | undefined): string | null {
  if (dataJson === null || isJsonType(contentType)) return dataJson
  const text: unknown = JSON.parse(dataJson)
  return typeof text === 'string' ? text : dataJson
}

function decodeBody(
  body: string | Uint8Array | null | undefined,
  contentType: string | undefined,
): Pick<EncodableEvent, 'dataJson' | 'dataBinary'> {
  if (body === null || body === undefined || body.length === 0) return { dataJson: null, dataBinary: null }
  const isJson = contentType !== undefined && isJsonType(contentType)
  if (!isJson && (contentType === undefined || !isTextType(contentType))) {
    return { dataJson: null, dataBinary: typeof body === 'string' ? new TextEncoder().encode(body) : body }
  }
  const text = typeof body === 'string' ? body : decodeText(body, charsetOf(contentType))
  if (!isJson) return { dataJson: JSON.stringify(text), dataBinary: null }
  try {
    const isNull = JSON.parse(text) === null
    return { dataJson: isNull ? null : text, dataBinary: null }
  } catch (error) {
    const message = `the event's data is not the JSON that ${contentType} announces: ${jsonProblem(error)}`
    throw new BroadcasterError('DECODE_FAILED', message, { field: 'data' })
  }
}

function decodeHeader(name: string, value: string, binding: BinaryBinding): string {
  try {
    return binding.decodeValue(value)
  } catch (cause) {
    const message = `the header ${name} cannot be decoded: ${String(cause)}`
    throw new BroadcasterError('DECODE_FAILED', message, { cause, field: name, value })
  }
}

function* headerPairs(headers: HeadersInput): Generator<readonly [string, string]> {
  const pairs = Symbol.iterator in headers ? (headers as Iterable<readonly [string, unknown]>) : Object.entries(headers)
  for (const [name, value] of pairs) {
    const first: unknown = Array.isArray(value) ? value[0] : value
    // A header without a value says nothing, and least of all the word "null".
    if (first !== undefined && first !== null) yield [name, String(first)]
  }
}

/** The headers by their name in lower case. */
export function headersByName(headers: HeadersInput): ReadonlyMap<string, string> {
  return new Map(Array.from(headerPairs(headers), ([name, value]) => [name.toLowerCase(), value]))
}
