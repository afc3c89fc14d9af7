import { decodeAmqp, encodeBinaryAmqp } from '../../src/event/amqp.ts'
import type { AttributeValue, EncodableEvent } from '../../src/event/cloud-event.ts'
import { decodeHttp, encodeBinaryHttp } from '../../src/event/http.ts'
import { decodeKafka, encodeBinaryKafka, encodeStructuredKafka } from '../../src/event/kafka.ts'
import { decodeMqtt, encodeBinaryMqtt, encodeStructuredMqtt } from '../../src/event/mqtt.ts'
import { decodeNats, encodeBinaryNats, NATS_STRUCTURED_CONTENT_TYPE } from '../../src/event/nats.ts'
import {
  BATCH_CONTENT_TYPE,
  encodeBatch,
  encodeStructured,
  STRUCTURED_CONTENT_TYPE,
} from '../../src/event/structured.ts'

/** A message as it is on the wire. */
export interface WireMessage {
  /** In the protocol's own terms; a content type stands under `content-type`. */
  readonly metadata: Readonly<Record<string, string | number | boolean>>
  readonly payload: Uint8Array
}

/** One way to put an event on a wire. */
export interface Way {
  readonly binding: 'HTTP' | 'Kafka' | 'NATS' | 'AMQP' | 'MQTT'
  readonly mode: 'structured' | 'batched' | 'binary'
  encode(event: EncodableEvent): WireMessage
  decode(message: WireMessage): EncodableEvent
}

type Metadata = WireMessage['metadata']

const bytes = (body: string | Uint8Array | null): Uint8Array =>
  typeof body === 'string' ? Buffer.from(body) : (body ?? new Uint8Array())
const message = (metadata: Metadata, body: string | Uint8Array | null): WireMessage => ({
  metadata,
  payload: bytes(body),
})
const texts = (metadata: Metadata): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, String(value)]))
const typed = (contentType: string | undefined, metadata: Metadata): Metadata =>
  contentType === undefined ? metadata : { ...metadata, 'content-type': contentType }
const contentTypeOf = ({ metadata }: WireMessage): string | undefined =>
  metadata['content-type'] === undefined ? undefined : String(metadata['content-type'])
const rest = ({ metadata }: WireMessage): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== 'content-type'))
const only = (events: readonly EncodableEvent[]): EncodableEvent => {
  const [event] = events
  if (event === undefined || events.length > 1) throw new Error(`${events.length} events`)
  return event
}

/** Every binding in every mode. */
export const WAYS: readonly Way[] = [
  {
    binding: 'HTTP',
    mode: 'structured',
    encode: (event) => message({ 'content-type': STRUCTURED_CONTENT_TYPE }, encodeStructured(event)),
    decode: ({ metadata, payload }) => only(decodeHttp(texts(metadata), payload)),
  },
  {
    binding: 'HTTP',
    mode: 'batched',
    encode: (event) => message({ 'content-type': BATCH_CONTENT_TYPE }, encodeBatch([event])),
    decode: ({ metadata, payload }) => only(decodeHttp(texts(metadata), payload)),
  },
  {
    binding: 'HTTP',
    mode: 'binary',
    encode(event) {
      const { headers, body } = encodeBinaryHttp(event)
      return message(headers, body)
    },
    decode: ({ metadata, payload }) => only(decodeHttp(texts(metadata), payload)),
  },
  ...(['structured', 'binary'] as const).map(
    (mode): Way => ({
      binding: 'Kafka',
      mode,
      encode(event) {
        const { headers, value } = mode === 'binary' ? encodeBinaryKafka(event) : encodeStructuredKafka(event)
        return message(headers, value)
      },
      decode: ({ metadata, payload }) => decodeKafka(texts(metadata), payload),
    }),
  ),
  {
    binding: 'NATS',
    mode: 'structured',
    encode: (event) => message({ 'content-type': NATS_STRUCTURED_CONTENT_TYPE }, encodeStructured(event)),
    decode: ({ metadata, payload }) => decodeNats(texts(metadata), payload),
  },
  {
    binding: 'NATS',
    mode: 'binary',
    encode(event) {
      const { headers, body } = encodeBinaryNats(event)
      return message(headers, body)
    },
    decode: ({ metadata, payload }) => decodeNats(texts(metadata), payload),
  },
  {
    binding: 'AMQP',
    mode: 'structured',
    encode: (event) => message({ 'content-type': STRUCTURED_CONTENT_TYPE }, encodeStructured(event)),
    decode: (wire) => decodeAmqp(contentTypeOf(wire), rest(wire), wire.payload),
  },
  {
    binding: 'AMQP',
    mode: 'binary',
    encode(event) {
      const { contentType, headers, body } = encodeBinaryAmqp(event)
      return message(typed(contentType, headers), body)
    },
    decode: (wire) => decodeAmqp(contentTypeOf(wire), rest(wire), wire.payload),
  },
  ...(['structured', 'binary'] as const).map(
    (mode): Way => ({
      binding: 'MQTT',
      mode,
      encode(event) {
        const { contentType, userProperties, payload } =
          mode === 'binary' ? encodeBinaryMqtt(event) : encodeStructuredMqtt(event)
        return message(typed(contentType, userProperties), payload)
      },
      decode: (wire) => decodeMqtt(contentTypeOf(wire), texts(rest(wire)), wire.payload),
    }),
  ),
]

type Data = Pick<EncodableEvent, 'dataJson' | 'dataBinary'> & { readonly contentType?: string }
const json = (dataJson: string, contentType?: string): Data => ({
  dataJson,
  dataBinary: null,
  ...(contentType === undefined ? {} : { contentType }),
})

/** Kinds of data. */
export const DATA: Readonly<Record<string, Data>> = {
  none: { dataJson: null, dataBinary: null },
  'JSON object': json('{"b":1,"a":[true,null,"x"]}', 'application/json'),
  'JSON, no content type': json('{"n":1}'),
  'JSON as written': json('{ "z": 12345678901234567890,\n "a": 1.50, "a": 2, "\\u0041": "ö" }', 'application/json'),
  'JSON text': json('"größe \\"x\\""', 'application/json; charset=utf-8'),
  'JSON false': json('false', 'application/vnd.x+json'),
  'plain text': json(JSON.stringify('größe, "x"\n👋'), 'text/plain'),
  XML: json(JSON.stringify('<a b="c">é</a>'), 'application/xml'),
  bytes: { dataJson: null, dataBinary: Uint8Array.from({ length: 256 }, (_, n) => n), contentType: 'image/png' },
}

/** Sets of attributes, beside those of the data. */
export const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, AttributeValue>>>> = {
  required: { specversion: '1.0', id: '1', source: '/s', type: 't' },
  optional: {
    specversion: '1.0',
    id: 'a 1',
    source: 'https://example.com/a?b=c#d',
    type: 'com.example.t',
    subject: 's',
    time: '2026-01-31T12:00:00.123456789+02:00',
    dataschema: 'https://example.com/schema',
  },
  'any text': { specversion: '1.0', id: '100% "größe" %41', source: '/a%20b', type: '日本 👋', subject: 'a,b;c=d\\e' },
  'trace and key': {
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 't',
    partitionkey: 'kürzel 7',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  },
  'typed extensions': { specversion: '1.0', id: '1', source: '/s', type: 't', count: 7, negative: -3, flag: true },
}

/** The event of a cell. */
export function eventOf(data: Data, attributes: Readonly<Record<string, AttributeValue>>): EncodableEvent {
  const { contentType, ...payload } = data
  return {
    attributes: contentType === undefined ? attributes : { ...attributes, datacontenttype: contentType },
    ...payload,
  }
}

/** The bytes of an event's data where they are the whole payload. */
export function dataBytes({ dataJson, dataBinary }: EncodableEvent, contentType = 'application/json'): Uint8Array {
  if (dataBinary) return dataBinary
  if (dataJson === null) return new Uint8Array()
  return Buffer.from(/json/.test(contentType) ? dataJson : (JSON.parse(dataJson) as string))
}
