import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BroadcasterError } from '../../src/errors.ts'
import { decodeAmqp } from '../../src/event/amqp.ts'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { toCloudEvent } from '../../src/event/encodable.ts'
import { decodeHttp } from '../../src/event/http.ts'
import { decodeKafka } from '../../src/event/kafka.ts'
import { decodeMqtt } from '../../src/event/mqtt.ts'
import { decodeNats } from '../../src/event/nats.ts'
import { validateCloudEvent } from '../../src/event/validate-cloud-event.ts'
import { readEventHeaders } from '../../src/kafka/read-headers.ts'

const json = '{"specversion":"1.0","id":"1","source":"/x","type":"a"}'

/** Bodies: bytes, texts, JSON, and valid events of which one member is anything. */
const body = fc.oneof(
  fc.uint8Array(),
  fc.string({ unit: 'binary' }),
  fc.json(),
  fc.constantFrom(json, `[${json}]`, json.slice(0, -1), '', '[]', 'null', '\ufeff{}', `{"data":${'['.repeat(20_000)}`),
  fc
    .tuple(fc.constantFrom('id', 'type', 'time', 'data', 'data_base64', '__proto__', 'datacontenttype', 'x'), fc.json())
    .map(([name, value]) => `${json.slice(0, -1)},${JSON.stringify(name)}:${value}}`),
)
const value = fc.oneof(
  fc.constantFrom(
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
    'application/json',
    '1.0',
    '/x',
  ),
  fc.constantFrom('text/plain; charset=utf-16', 'text/plain; charset=none', '%', '%ff', '"\\', '2026-01-01T00:00:00Z'),
  fc.string({ unit: 'binary' }),
)
const names = ['specversion', 'id', 'source', 'type', 'time', '__proto__', 'x', 'datacontenttype', 'Ä', '']
const headers = fc.dictionary(
  fc.constantFrom(
    'content-type',
    ...['ce-', 'ce_', 'cloudEvents_', 'cloudEvents:'].flatMap((at) => names.map((name) => at + name)),
  ),
  value,
)

/** Whether what was given is read as a valid event, or refused by the one code. */
function isJudged(read: () => readonly EncodableEvent[]): void {
  let events: readonly EncodableEvent[]
  try {
    events = read()
  } catch (error) {
    assert.ok(error instanceof BroadcasterError, String(error))
    assert.equal(error.code, 'DECODE_FAILED')
    return
  }
  // What was read, a handler can be given, and a backend can send on.
  for (const event of events) validateCloudEvent(toCloudEvent(event))
}

test('whatever arrives is an event, or is refused with DECODE_FAILED, by each decoder', () => {
  fc.assert(
    fc.property(headers, body, (given, content) => {
      isJudged(() => decodeHttp(given, content))
      isJudged(() => [decodeKafka(given, content)])
      isJudged(() => [decodeNats(given, content)])
      isJudged(() => [decodeMqtt(given['content-type'], given, content)])
      isJudged(() => [decodeAmqp(given['content-type'], given, content)])
    }),
    { numRuns: 4_000 },
  )
})

test('an event format other than JSON is refused by its name, by each decoder and in any mode', () => {
  const attributes = { specversion: '1.0', id: '1', source: '/x', type: 'a' }
  const named = (prefix: string) =>
    Object.fromEntries(Object.entries(attributes).map(([name, text]) => [prefix + name, text]))
  for (const format of ['avro', 'protobuf']) {
    const type = `application/cloudevents+${format}; charset=utf-8`
    const headers = { 'content-type': type }
    for (const [name, read] of Object.entries({
      http: () => decodeHttp(headers, 'Obj'),
      'http, a batch': () => decodeHttp({ 'content-type': `application/cloudevents-batch+${format}` }, ''),
      kafka: () => decodeKafka(headers, 'Obj'),
      'kafka with attributes': () => decodeKafka({ ...headers, ...named('ce_') }, 'Obj'),
      nats: () => decodeNats(headers, 'Obj'),
      'nats with attributes': () => decodeNats({ ...headers, ...named('ce-') }, 'Obj'),
      amqp: () => decodeAmqp(type, {}, 'Obj'),
      'amqp with attributes': () => decodeAmqp(type, named('cloudEvents:'), 'Obj'),
      mqtt: () => decodeMqtt(type, {}, 'Obj'),
      'mqtt with attributes': () => decodeMqtt(type, attributes, 'Obj'),
      'mqtt, by the user property': () => decodeMqtt(undefined, { datacontenttype: type }, 'Obj'),
    }))
      assert.throws(
        read,
        { code: 'DECODE_FAILED', message: new RegExp(`format "${format}", which is not read here; send application`) },
        name,
      )
  }
})

test('an attribute in a header of bytes that are not UTF-8 is refused with the name of the header; another header may hold any bytes', () => {
  const bytes = Buffer.from([0x61, 0xff])
  const kafka = (name: string, value: Buffer) => {
    const all = Object.entries({ ce_specversion: '1.0', ce_id: '1', ce_source: '/x', ce_type: 'a' })
    const named = all.map(([each, text]) => [Buffer.from(each), Buffer.from(text)] as const)
    return decodeKafka(readEventHeaders([...named, [Buffer.from(name), value], [null, bytes]]), null).attributes
  }
  const amqp = (name: string, value: Buffer) => {
    const all = { specversion: '1.0', id: '1', source: '/x', type: 'a' }
    const named = Object.entries(all).map(([each, text]) => [`cloudEvents:${each}`, text])
    return decodeAmqp(undefined, { ...Object.fromEntries(named), [name]: value }, '').attributes
  }
  for (const [read, prefix] of [
    [kafka, 'ce_'],
    [amqp, 'cloudEvents:'],
    [amqp, 'cloudEvents_'],
  ] as const) {
    assert.equal(read(`${prefix}subject`, Buffer.from('Grüße'))['subject'], 'Grüße')
    const field = `${prefix}subject`
    assert.throws(() => read(field, bytes), { code: 'DECODE_FAILED', field, message: /is not text in UTF-8/ })
    assert.equal(read('x-trace', bytes)['id'], '1')
  }
})
