import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HTTP, Kafka, MQTT, CloudEvent as OfficialEvent } from 'cloudevents'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { root } from '../project/source-files.ts'
import { ATTRIBUTES, DATA, dataBytes, eventOf, WAYS, type Way, type WireMessage } from './matrix.ts'

/** Goes once through a way; says what came of it, and throws for what is not as the binding's text says. */
function roundTrip(way: Way, event: EncodableEvent): 'same' | 'as text' {
  const wire = way.encode(event)
  if (way.binding === 'HTTP' || way.binding === 'NATS') {
    for (const [name, value] of Object.entries(wire.metadata)) {
      assert.match(`${name}${value}`, /^[\x20-\x7e]+$/, 'headers are visible ASCII')
    }
  }
  const contentType = event.attributes['datacontenttype']
  // Binary mode: "the data is placed into the message payload as-is".
  if (way.mode === 'binary')
    assert.deepEqual(Buffer.from(wire.payload), Buffer.from(dataBytes(event, contentType as string)))
  else if (event.dataJson !== null)
    assert.ok(Buffer.from(wire.payload).includes(event.dataJson), 'the text of data is untouched')
  const back = way.decode(wire)
  assert.deepEqual(
    Buffer.from(dataBytes(back, contentType as string)),
    Buffer.from(dataBytes(event, contentType as string)),
  )
  assert.equal(back.dataBinary === null, event.dataBinary === null)
  if (event.dataJson !== null && (way.mode !== 'binary' || /json/.test(String(contentType ?? 'json')))) {
    assert.equal(back.dataJson, event.dataJson)
  }
  // JSON data without a content type must be announced where the payload alone does not say so.
  const announced = way.mode === 'binary' && contentType === undefined && event.dataJson !== null
  const expected = announced ? { ...event.attributes, datacontenttype: 'application/json' } : event.attributes
  const asText = Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, String(value)]))
  assert.deepEqual(back.attributes, way.mode === 'binary' ? asText : expected)
  return way.mode === 'binary' && Object.values(expected).some((value) => typeof value !== 'string')
    ? 'as text'
    : 'same'
}

test('every binding, in every mode, with every kind of data and attributes', () => {
  for (const way of WAYS) {
    for (const [kind, data] of Object.entries(DATA)) {
      for (const [set, attributes] of Object.entries(ATTRIBUTES)) {
        try {
          roundTrip(way, eventOf(data, attributes))
        } catch (cause) {
          assert.fail(`${way.binding} ${way.mode}, ${kind}, ${set}: ${cause instanceof Error ? cause.message : cause}`)
        }
      }
    }
  }
})

test('a message that is changed on the way does not come back the same', () => {
  for (const way of WAYS) {
    const event = eventOf(DATA['JSON as written'] ?? assert.fail(), ATTRIBUTES['any text'] ?? assert.fail())
    const broken: Way = {
      ...way,
      decode: ({ metadata, payload }) =>
        way.decode({ metadata, payload: Buffer.from(Buffer.from(payload).toString().replace('1.50', '1.5')) }),
    }
    assert.throws(() => roundTrip(broken, event), `${way.binding} ${way.mode}`)
  }
})

test('docs/cloudevents-matrix.md shows what was seen (BROADCASTER_WRITE_FIGURES=1 writes it)', () => {
  const file = join(root, 'docs/cloudevents-matrix.md')
  const found = page()
  if (process.env['BROADCASTER_WRITE_FIGURES'] === '1') writeFileSync(file, found)
  assert.equal(found, readFileSync(file, 'utf8'))
})

/** The official package, as far as it has the binding. */
const OFFICIAL: Readonly<
  Partial<
    Record<
      Way['binding'],
      { toEvent(wire: WireMessage): OfficialEvent; fromEvent(event: OfficialEvent, mode: Way['mode']): WireMessage }
    >
  >
> = {
  HTTP: {
    toEvent: ({ metadata, payload }) =>
      first(HTTP.toEvent({ headers: metadata as Record<string, string>, body: textOrBytes(payload, metadata) })),
    fromEvent(event, mode) {
      const { headers, body } = mode === 'binary' ? HTTP.binary(event) : HTTP.structured(event)
      return { metadata: headers as WireMessage['metadata'], payload: toBytes(body) }
    },
  },
  Kafka: {
    toEvent: ({ metadata, payload }) => {
      const body = textOrBytes(payload, metadata)
      return first(
        Kafka.toEvent({ headers: metadata as Record<string, string>, body, value: body } as Parameters<
          typeof Kafka.toEvent
        >[0]),
      )
    },
    fromEvent(event, mode) {
      const made = mode === 'binary' ? Kafka.binary(event) : Kafka.structured(event)
      const headers = Object.entries(made.headers).filter(([, value]) => value !== undefined)
      return { metadata: Object.fromEntries(headers) as WireMessage['metadata'], payload: toBytes(made.body) }
    },
  },
  MQTT: {
    toEvent({ metadata, payload }) {
      const { 'content-type': contentType, ...headers } = metadata
      return first(
        MQTT.toEvent({
          headers,
          body: textOrBytes(payload, metadata),
          PUBLISH: { 'Content Type': contentType },
        } as Parameters<typeof MQTT.toEvent>[0]),
      )
    },
    fromEvent(event, mode) {
      const made = mode === 'binary' ? MQTT.binary(event) : MQTT.structured(event)
      const { PUBLISH } = made as unknown as { readonly PUBLISH: { readonly 'Content Type'?: string } }
      const contentType = PUBLISH['Content Type']
      const given = Object.entries(made.headers).filter(
        ([name, value]) => value !== undefined && name !== 'datacontenttype',
      )
      const metadata = Object.fromEntries(given) as WireMessage['metadata']
      return {
        metadata: contentType === undefined ? metadata : { ...metadata, 'content-type': contentType },
        payload: toBytes(made.body),
      }
    },
  },
}

function first(events: unknown): OfficialEvent {
  return (Array.isArray(events) ? events[0] : events) as OfficialEvent
}

function textOrBytes(payload: Uint8Array, { 'content-type': type }: WireMessage['metadata']): unknown {
  return String(type ?? '').startsWith('image/')
    ? payload
    : payload.length === 0
      ? undefined
      : Buffer.from(payload).toString()
}

function toBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body
  if (body === undefined || body === null) return new Uint8Array()
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

/** Whether two sides mean the same data; numbers beyond 2^53 and repeated names are lost in any JavaScript object. */
function sameData(official: unknown, event: EncodableEvent): boolean {
  try {
    if (event.dataBinary) {
      assert.deepEqual(Array.from(official as Uint32Array), Array.from(event.dataBinary))
    } else {
      const value = event.dataJson === null ? undefined : (JSON.parse(event.dataJson) as unknown)
      const read =
        typeof official === 'string' && typeof value !== 'string' ? (JSON.parse(official) as unknown) : official
      assert.deepEqual(read, value)
    }
    return true
  } catch {
    return false
  }
}

/** What the official package makes of our message, and we of its. */
function withOfficial(way: Way, event: EncodableEvent): string {
  const official = OFFICIAL[way.binding]
  if (!official) return ''
  const told = attempt(() => sameData(official.toEvent(way.encode(event)).data, event))
  const heard = attempt(() => {
    const { dataBinary, dataJson, attributes } = event
    const data = dataBinary ?? (dataJson === null ? undefined : (JSON.parse(dataJson) as unknown))
    const made = new OfficialEvent(
      { ...attributes, ...(data === undefined ? {} : { data }) } as ConstructorParameters<typeof OfficialEvent>[0],
      false,
    )
    const back = way.decode(official.fromEvent(made as OfficialEvent, way.mode))
    return sameData(back.dataBinary ?? (back.dataJson === null ? undefined : JSON.parse(back.dataJson)), event)
  })
  return told && heard ? 'both ways' : told ? 'reads ours' : heard ? 'read by us' : 'neither'
}

function attempt(work: () => boolean): boolean {
  try {
    return work()
  } catch {
    return false
  }
}

function page(): string {
  const table = (head: readonly string[], lines: readonly (readonly string[])[]): string =>
    [
      `| ${head.join(' | ')} |`,
      `|${'---|'.repeat(head.length)}`,
      ...lines.map((cells) => `| ${cells.join(' | ')} |`),
    ].join('\n')
  const name = ({ binding, mode }: Way): string => `${binding}, ${mode}`
  // With a time: its Kafka binding cannot read a structured event that has none.
  const plain = ATTRIBUTES['optional'] ?? {}
  return `# CloudEvents: what survives

Generated by \`BROADCASTER_WRITE_FIGURES=1 npm test -- event/matrix\`, and checked against the code by the same test. Each
cell is a round trip: encoded, written as bytes, decoded.

## Data

Each cell stands for ${Object.keys(ATTRIBUTES).length} sets of attributes. *Bytes*: the payload is the data, byte for byte. *Text*: the text
of the data is kept character for character in the JSON format. *Base64*: as the JSON format says.

${table(
  ['', ...Object.keys(DATA)],
  WAYS.map((way) => [
    name(way),
    ...Object.values(DATA).map((data) => {
      for (const attributes of Object.values(ATTRIBUTES)) roundTrip(way, eventOf(data, attributes))
      return way.mode === 'binary' ? 'bytes' : data.dataBinary ? 'Base64' : 'text'
    }),
  ]),
)}

## Attributes

Each cell stands for ${Object.keys(DATA).length} kinds of data. *As text*: numbers and booleans come back as their text, since the mode writes no
types (CloudEvents, section 3.1: their canonical string form means the same).

${table(
  ['', ...Object.keys(ATTRIBUTES)],
  WAYS.map((way) => [
    name(way),
    ...Object.values(ATTRIBUTES).map((attributes) => {
      const seen = new Set(Object.values(DATA).map((data) => roundTrip(way, eventOf(data, attributes))))
      return [...seen].join(', ')
    }),
  ]),
)}

## With the official package

Its encoder and decoder (\`cloudevents\`, JavaScript) against ours, as far as it has the binding; the data is compared as a
value, since it parses all data. *Reads ours* and *read by us* say that only one direction worked: the other one fails in
the official package, which drops or changes such data.

${table(
  ['', ...Object.keys(DATA)],
  WAYS.filter((way) => OFFICIAL[way.binding] && way.mode !== 'batched').map((way) => [
    name(way),
    ...Object.values(DATA).map((data) => withOfficial(way, eventOf(data, plain))),
  ]),
)}
`
}
