import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeAmqp } from '../../src/event/amqp.ts'
import { decodeBinary, encodeBinary } from '../../src/event/binary.ts'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { toCloudEvent, toEncodable } from '../../src/event/encodable.ts'
import {
  decodeBinaryHttp,
  decodeHeaderValue,
  decodeHttp,
  encodeBinaryHttp,
  encodeHeaderValue,
} from '../../src/event/http.ts'
import { jsonElements, jsonMembers } from '../../src/event/json-members.ts'
import { decodeKafka } from '../../src/event/kafka.ts'
import { decodeNats } from '../../src/event/nats.ts'
import {
  BATCH_CONTENT_TYPE,
  decodeBatch,
  decodeStructured,
  encodeBatch,
  encodeStructured,
  STRUCTURED_CONTENT_TYPE,
} from '../../src/event/structured.ts'
import { encodable } from './arbitrary.ts'

const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' }
const withData = (dataJson: string | null, more: Record<string, string> = {}): EncodableEvent => ({
  attributes: { ...attributes, ...more },
  dataJson,
  dataBinary: null,
})
const TRICKY = '{"z": 12345678901234567890, "a":1.50, "a2" :{"}":"]\\""}, "10":1,"2":2}'

describe('structured', () => {
  test('the text of data is copied, not parsed', () => {
    const encoded = encodeStructured(withData(TRICKY, { subject: 'x' }))
    assert.equal(encoded, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"x","data":${TRICKY}}`)
    assert.equal(decodeStructured(encoded).dataJson, TRICKY)
    assert.equal(decodeStructured(Buffer.from(encoded)).dataJson, TRICKY)
  })

  test('no data, null data, binary data', () => {
    assert.equal(encodeStructured(withData(null)), JSON.stringify(attributes))
    assert.equal(decodeStructured(JSON.stringify({ ...attributes, data: null })).dataJson, null)
    const binary = { attributes, dataJson: null, dataBinary: new Uint8Array([0, 255, 7]) }
    assert.equal(encodeStructured(binary), JSON.stringify({ ...attributes, data_base64: 'AP8H' }))
    assert.deepEqual(decodeStructured(encodeStructured(binary)), binary)
  })

  test('a view on part of a buffer is encoded as that part', () => {
    const part = new Uint8Array([9, 9, 1, 2, 9]).subarray(2, 4)
    assert.equal(
      encodeStructured({ attributes, dataJson: null, dataBinary: part }),
      JSON.stringify({ ...attributes, data_base64: 'AQI=' }),
    )
  })

  test('a null attribute is an absent one; a repeated one counts as it last stands', () => {
    const decoded = decodeStructured(
      '{"specversion":"1.0","id":"0","source":"/s","type":"t","subject":null,"id":"1","data":1,"data":2}',
    )
    assert.deepEqual(decoded, { attributes, dataJson: '2', dataBinary: null })
  })

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['not JSON', '{', /not valid JSON/],
    ['not an object', '[]', /not a JSON object/],
    ['a text', '"x"', /not a JSON object/],
    ['attributes missing', '{"specversion":"1.0"}', /id is missing[\s\S]*source is missing/],
    ['an attribute that is an object', JSON.stringify({ ...attributes, ext: {} }), /ext is \{\}/],
    ['data twice', JSON.stringify({ ...attributes, data: 1, data_base64: 'AAEC' }), /data_base64 stands beside data/],
    ['not Base64', JSON.stringify({ ...attributes, data_base64: '*' }), /not Base64/],
    ['Base64 that is no text', JSON.stringify({ ...attributes, data_base64: 1 }), /not Base64/],
    [
      'a name that is none',
      `${JSON.stringify(attributes).slice(0, -1)},"__proto__":"x"}`,
      /__proto__ is not a valid extension name/,
    ],
  ]
  for (const [name, input, message] of bad) {
    test(`refused: ${name}`, () => assert.throws(() => decodeStructured(input), { code: 'DECODE_FAILED', message }))
  }
  test('refused: bytes that are not UTF-8', () => {
    assert.throws(() => decodeStructured(new Uint8Array([0x22, 0xff, 0x22])), { code: 'DECODE_FAILED' })
  })
})

describe('batch', () => {
  test('any number of events', () => {
    const events = [withData(TRICKY), withData(null), withData('"x"')]
    assert.equal(encodeBatch([]), '[]')
    assert.deepEqual(decodeBatch('[]'), [])
    assert.deepEqual(decodeBatch(encodeBatch(events)), events)
  })
  test('an error names the event', () => {
    assert.throws(() => decodeBatch(`[${JSON.stringify(attributes)},{"specversion":"1.0","id":"1","source":"/s"}]`), {
      code: 'DECODE_FAILED',
      field: '[1].type',
    })
    assert.throws(() => decodeBatch('{}'), { code: 'DECODE_FAILED', message: /not a JSON array/ })
    assert.throws(() => decodeBatch('[1]'), { code: 'DECODE_FAILED', message: /not a JSON object/ })
  })
})

describe('binary HTTP', () => {
  test('attributes are headers, data is the body as text', () => {
    const { headers, body } = encodeBinaryHttp(
      withData(TRICKY, { datacontenttype: 'application/vnd.x+json', subject: 'a b' }),
    )
    assert.deepEqual(headers, {
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/s',
      'ce-type': 't',
      'ce-subject': 'a%20b',
      'content-type': 'application/vnd.x+json',
    })
    assert.equal(body, TRICKY)
  })
  test('JSON without a content type is said to be JSON', () => {
    assert.equal(encodeBinaryHttp(withData('1')).headers['content-type'], 'application/json')
    assert.equal(encodeBinaryHttp(withData(null)).headers['content-type'], undefined)
    assert.equal(encodeBinaryHttp(withData(null)).body, null)
  })
  test('a JSON string stays one, a text of another type goes plain', () => {
    assert.equal(encodeBinaryHttp(withData('"x\\n"', { datacontenttype: 'application/json' })).body, '"x\\n"')
    assert.equal(encodeBinaryHttp(withData('"x\\n"', { datacontenttype: 'text/plain' })).body, 'x\n')
  })
  test('what comes back is JSON text, a JSON string, or bytes, by content type', () => {
    const headers = { 'CE-SpecVersion': '1.0', 'ce-id': '1', 'Ce-Source': '/s', 'ce-type': 't' }
    const decode = (type: string | undefined, body: string | Uint8Array | null) => {
      const { dataJson, dataBinary } = decodeBinaryHttp({ ...headers, 'Content-Type': type }, body)
      return dataJson ?? dataBinary
    }
    assert.equal(decode('application/json', ` ${TRICKY}`), ` ${TRICKY}`)
    assert.equal(decode('application/json', Buffer.from('{"a":"ü"}')), '{"a":"ü"}')
    assert.equal(decode('application/json', 'null'), null)
    assert.equal(decode('text/plain', Buffer.from('ü')), '"ü"')
    assert.equal(decode('text/plain; charset=iso-8859-1', Buffer.from([0xfc])), '"ü"')
    assert.equal(decode('application/xml', '<a/>'), '"<a/>"')
    assert.deepEqual(decode('image/png', Buffer.from([1, 2])), Buffer.from([1, 2]))
    assert.deepEqual(decode('image/png', 'ab'), new Uint8Array([97, 98]))
    assert.deepEqual(decode(undefined, Buffer.from([1])), Buffer.from([1]))
    assert.equal(decode('application/json', ''), null)
    assert.equal(decode(undefined, null), null)
    assert.throws(() => decode('application/json', '{'), { code: 'DECODE_FAILED', field: 'data' })
    assert.throws(() => decode('text/plain', Buffer.from([0xff])), { code: 'DECODE_FAILED' })
    assert.throws(() => decode('text/plain; charset=nonsense', Buffer.from('a')), { code: 'DECODE_FAILED' })
  })
  test('headers as Headers, as pairs, as lists', () => {
    const pairs: [string, string][] = [
      ['ce-specversion', '1.0'],
      ['ce-id', '1'],
      ['ce-source', '/s'],
      ['ce-type', 't'],
    ]
    const expected = { attributes, dataJson: null, dataBinary: null }
    assert.deepEqual(decodeBinaryHttp(pairs, null), expected)
    assert.deepEqual(decodeBinaryHttp(new Headers(pairs), null).attributes['type'], 't')
    assert.deepEqual(
      decodeBinaryHttp(Object.fromEntries(pairs.map(([name, value]) => [name, [value]])), null),
      expected,
    )
  })
  test('refused: what is missing, by its header', () => {
    assert.throws(() => decodeBinaryHttp({ 'ce-id': '1' }, null), {
      code: 'DECODE_FAILED',
      message: /ce-specversion is missing[\s\S]*ce-source is missing/,
    })
    assert.throws(() => decodeBinaryHttp({ 'ce-id': '%ff' }, null), { code: 'DECODE_FAILED', field: 'ce-id' })
  })
  // The examples of the specification (HTTP binding 3.1.3.2).
  const values: readonly (readonly [string, string])[] = [
    ['Euro € 😀', 'Euro%20%E2%82%AC%20%F0%9F%98%80'],
    ['"100%"', '%22100%25%22'],
    ['a/b?c=d&e', 'a/b?c=d&e'],
  ]
  for (const [plain, encoded] of values) {
    test(`header value ${plain}`, () => {
      assert.equal(encodeHeaderValue(plain), encoded)
      assert.equal(decodeHeaderValue(encoded), plain)
    })
  }
  test('header values that others send', () => {
    assert.equal(decodeHeaderValue('"a \\"b\\""'), 'a "b"')
    assert.equal(decodeHeaderValue('100%'), '100%')
    assert.equal(decodeHeaderValue('%e2%82%ac'), '€')
    assert.equal(decodeHeaderValue('%2541'), '%41')
  })
  test('another binding: its own prefix, values untouched', () => {
    const same = (value: string): string => value
    const binding = { prefix: 'ce_', contentType: 'content-type', encodeValue: same, decodeValue: same }
    const event = withData('1', { subject: 'ü b', datacontenttype: 'application/json' })
    const message = encodeBinary(event, binding)
    assert.equal(message.headers['ce_subject'], 'ü b')
    assert.deepEqual(decodeBinary(message.headers, message.body, binding), event)
  })
})

test('decodeHttp takes any mode', () => {
  const event = withData('{"a":1}', { datacontenttype: 'application/json' })
  const binary = encodeBinaryHttp(event)
  assert.deepEqual(decodeHttp(binary.headers, binary.body), [event])
  assert.deepEqual(decodeHttp({ 'Content-Type': STRUCTURED_CONTENT_TYPE }, encodeStructured(event)), [event])
  assert.deepEqual(decodeHttp(new Headers({ 'content-type': BATCH_CONTENT_TYPE }), encodeBatch([event, event])), [
    event,
    event,
  ])
})

test('a CloudEvent object to an encodable one and back', () => {
  const event = {
    ...attributes,
    specversion: '1.0' as const,
    data: { n: 12345678901234567890n },
    ext: 1,
    none: undefined,
  }
  const made = toEncodable(event)
  assert.equal(made.dataJson, '{"n":12345678901234567890}')
  const { none: _, ...present } = event
  assert.deepEqual(toCloudEvent(made), present)
  const binary = { ...attributes, specversion: '1.0' as const, data_base64: 'AAEC' }
  assert.deepEqual(toCloudEvent(toEncodable(binary)), binary)
  assert.throws(() => toEncodable({ ...event, id: '' }), { code: 'INVALID_EVENT' })
})

describe('properties', () => {
  test('structured and batched events come back as they were, text for text', () => {
    fc.assert(
      fc.property(encodable, (event) => assert.deepEqual(decodeStructured(encodeStructured(event)), trimmed(event))),
    )
    fc.assert(
      fc.property(fc.array(encodable, { maxLength: 4 }), (events) =>
        assert.deepEqual(decodeBatch(encodeBatch(events)), events.map(trimmed)),
      ),
    )
  })

  test('binary events come back as they were, attributes as strings', () => {
    fc.assert(
      fc.property(encodable, (event) => {
        const message = encodeBinaryHttp(event)
        for (const value of Object.values(message.headers)) assert.match(value, /^[\x20-\x7e]*$/)
        const decoded = decodeBinaryHttp(message.headers, message.body)
        const expected = Object.entries(event.attributes).map(([name, value]) => [name, String(value)])
        // Only the JSON format takes an absent content type for JSON.
        if (event.dataJson !== null && !('datacontenttype' in event.attributes))
          expected.push(['datacontenttype', 'application/json'])
        assert.deepEqual(decoded.attributes, Object.fromEntries(expected))
        assert.deepEqual(decoded.dataJson, event.dataJson)
        assert.deepEqual(decoded.dataBinary, event.dataBinary)
      }),
    )
  })

  test('JSON is cut at its members and elements without changing a character', () => {
    const spaced = fc
      .tuple(fc.json(), fc.constantFrom(undefined, 1, '\t\n\r '))
      .map(([json, indent]) => JSON.stringify(JSON.parse(json), null, indent))
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), spaced)), (members) => {
        const text = `\n{ ${members.map(([name, value]) => `${JSON.stringify(name)}\t:\r${value}`).join(' ,')} } `
        assert.deepEqual(jsonMembers(text), new Map(members))
      }),
    )
    fc.assert(
      fc.property(fc.array(spaced), (elements) => {
        assert.deepEqual(jsonElements(` [ ${elements.join(' , ')}\n] `), elements)
      }),
    )
    assert.equal(jsonMembers('[]'), undefined)
    assert.equal(jsonElements('{}'), undefined)
    assert.throws(() => jsonMembers('{"a":}'), SyntaxError)
  })
})

/** White space around the data belongs to the envelope. */
function trimmed(event: EncodableEvent): EncodableEvent {
  return { ...event, dataJson: event.dataJson === null ? null : event.dataJson.trim() }
}

describe('a header without a value', () => {
  const binary = { specversion: '1.0', id: '1', source: '/s', type: 't' }
  const named = (prefix: string) => Object.entries(binary).map(([name, value]) => [prefix + name, value] as const)

  test('is an attribute that is not there, and not the text "null" or "undefined"', () => {
    const none = [null, undefined]
    for (const empty of none) {
      assert.equal(decodeKafka([...named('ce_'), ['ce_subject', empty]], '').attributes['subject'], undefined)
      assert.equal(decodeNats([...named('ce-'), ['ce-subject', empty]], '').attributes['subject'], undefined)
      assert.equal(decodeBinaryHttp([...named('ce-'), ['ce-subject', empty]], '').attributes['subject'], undefined)
      const amqp = { ...Object.fromEntries(named('cloudEvents:')), 'cloudEvents:subject': empty }
      assert.equal(decodeAmqp(undefined, amqp, '').attributes['subject'], undefined)
    }
    assert.throws(() => decodeKafka([...named('ce_'), ['ce_id', null]].slice(2) as [string, string][], ''), {
      code: 'DECODE_FAILED',
    })
  })

  test('in AMQP a timestamp is an instant, and bytes are text', () => {
    const headers = {
      ...Object.fromEntries(named('cloudEvents:')),
      'cloudEvents:time': { '!': 'timestamp', value: 1_767_323_045 },
      'cloudEvents:subject': Buffer.from('größer'),
      'cloudEvents:other': { nested: 1 },
    }
    const { attributes: read } = decodeAmqp(undefined, headers, '')
    assert.equal(read['time'], '2026-01-02T03:04:05.000Z')
    assert.equal(read['subject'], 'größer')
    assert.equal(read['other'], '{"nested":1}')
  })
})
