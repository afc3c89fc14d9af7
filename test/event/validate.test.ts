import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudEvent as OfficialEvent } from 'cloudevents'
import { BroadcasterError } from '../../src/errors.ts'
import { createCloudEvent } from '../../src/event/create-cloud-event.ts'
import { decodeBinaryHttp } from '../../src/event/http.ts'
import { decodeBatch, decodeStructured } from '../../src/event/structured.ts'
import { canonicalUuid } from '../../src/event/uuid.ts'
import { cloudEventProblems, validateCloudEvent } from '../../src/event/validate-cloud-event.ts'

const event = { specversion: '1.0', id: 'a', source: '/orders', type: 'order.created' }

function fieldsOf(changes: Record<string, unknown>): string[] {
  return cloudEventProblems({ ...event, ...changes }).map((problem) => problem.field)
}

describe('valid', () => {
  const table: readonly (readonly [string, Record<string, unknown>])[] = [
    ['nothing but what is required', {}],
    [
      'all optional attributes',
      {
        subject: 's',
        time: '2026-01-31T12:00:00Z',
        datacontenttype: 'text/xml; charset=utf-8',
        dataschema: 'https://x.y/z#a',
      },
    ],
    ['absent as undefined or null', { subject: undefined, time: null, data: null, ext: null }],
    [
      'extensions of every type',
      { a: 'text', b: true, c: -2147483648, d: 2147483647, e: '', traceparent: '00-abc-01' },
    ],
    ['a long extension name', { abcdefghijklmnopqrstuvwxyz0123456789: 'x' }],
    ['text beyond ASCII', { subject: 'größe 😀 日本', id: 'ü' }],
    ['binary', { data_base64: 'AAEC', datacontenttype: 'image/png' }],
    ['empty binary', { data_base64: '' }],
    ['text of a type that is not JSON', { data: '<a/>', datacontenttype: 'application/xml' }],
    ['JSON by suffix', { data: { a: 1 }, datacontenttype: 'application/vnd.order+json; v=1' }],
    ['leap second', { time: '1990-12-31T23:59:60Z' }],
    ['offset and fraction', { time: '1996-12-19t16:39:57.123456789-08:00' }],
    ['leap day', { time: '2024-02-29T00:00:00Z' }],
  ]
  for (const [name, changes] of table) test(name, () => assert.deepEqual(fieldsOf(changes), []))

  for (const source of [
    '/orders',
    'orders',
    'https://user:pw@example.com:8080/a/b?c=d&e#f',
    'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
    'mailto:cncf-wg-serverless@lists.cncf.io',
    '//example.com/x',
    'http://[2001:db8::1]:80/',
    '?query',
    '#fragment',
    './a:b',
    'a%20b',
    'file:///tmp/x',
    '1-555-123-4567',
  ]) {
    test(`source ${source}`, () => assert.deepEqual(fieldsOf({ source }), []))
  }
})

describe('invalid', () => {
  const table: readonly (readonly [string, Record<string, unknown>, readonly string[]])[] = [
    [
      'all that is required is missing',
      { specversion: undefined, id: null, source: undefined, type: undefined },
      ['specversion', 'id', 'source', 'type'],
    ],
    ['empty', { id: '', source: '', type: '', subject: '' }, ['id', 'source', 'type', 'subject']],
    ['wrong types', { id: 1, subject: {}, time: new Date() }, ['id', 'subject', 'time']],
    ['version', { specversion: '0.3' }, ['specversion']],
    ['extension names', { 'a-b': 'x', Ab: 'x', ä: 'x', '': 'x' }, ['a-b', 'Ab', 'ä', '']],
    ['extension values', { a: 1.5, b: 2147483648, c: {}, d: [], e: Number.NaN, f: 1n }, ['a', 'b', 'c', 'd', 'e', 'f']],
    ['control characters', { subject: 'a\nb', id: '\u0000', ext: '\u0085' }, ['id', 'subject', 'ext']],
    ['unpaired surrogates and noncharacters', { subject: '\ud800', ext: '\uffff' }, ['subject', 'ext']],
    ['both kinds of data', { data: 1, data_base64: 'AAEC' }, ['data_base64']],
    ['not Base64', { data_base64: 'AAE' }, ['data_base64']],
    ['not JSON, not text', { data: { a: 1 }, datacontenttype: 'application/xml' }, ['data']],
    ['text in another charset', { data: 'x', datacontenttype: 'text/plain; charset=iso-8859-1' }, ['data']],
  ]
  for (const [name, changes, fields] of table) test(name, () => assert.deepEqual(fieldsOf(changes), fields))

  const values: Readonly<Record<string, readonly string[]>> = {
    source: ['a b', 'a%zz', '1:b', 'http://[::1', 'a#b#c', 'größe', '<x>', 'a\\b', 'http://a:port/'],
    dataschema: ['/relative', 'no-scheme', '//example.com/x', 'http:// x'],
    time: [
      '2026-01-31',
      '2026-02-30T00:00:00Z',
      '2023-02-29T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '2026-01-01 00:00:00Z',
      '2026-01-01T00:00:00',
      '2026-01-01T00:00:00.Z',
      '2026-01-01T00:00:61Z',
      '2026-01-01T00:00:00+24:00',
    ],
    datacontenttype: ['json', 'application/', 'a/b/c', 'a/b; x', 'a b/c', 'text/plain; charset='],
  }
  for (const [name, texts] of Object.entries(values)) {
    for (const text of texts) test(`${name} ${text}`, () => assert.deepEqual(fieldsOf({ [name]: text }), [name]))
  }

  for (const notAnEvent of [null, undefined, 'x', 1, [], [event]]) {
    test(`${JSON.stringify(notAnEvent)} is no event`, () => {
      assert.deepEqual(
        cloudEventProblems(notAnEvent).map((problem) => problem.field),
        ['event'],
      )
    })
  }
})

test('one error lists every problem, each with its field, value and cure', () => {
  assert.throws(
    () => validateCloudEvent({ ...event, source: 'a b', time: 'yesterday', Trace: 'x', type: undefined }),
    (error) => {
      assert.ok(error instanceof BroadcasterError)
      assert.equal(error.code, 'INVALID_EVENT')
      assert.equal(error.field, 'type')
      assert.match(error.message, /- type is missing/)
      assert.match(error.message, /- source is "a b", not a URI-reference .* write it like/)
      assert.match(error.message, /- time is "yesterday", not an RFC 3339/)
      assert.match(error.message, /- Trace is not a valid extension name; .* such as "trace"/)
      return true
    },
  )
})

test('createCloudEvent fills in id and specversion, and the time if wished', () => {
  const made = createCloudEvent({ type: 'a', source: '/b', data: { n: 1 }, subject: undefined, tenant: 'x' })
  assert.deepEqual(Object.keys(made), ['specversion', 'id', 'type', 'source', 'data', 'tenant'])
  assert.equal(canonicalUuid(made.id), made.id)
  assert.equal(made.specversion, '1.0')
  const timed = createCloudEvent({ type: 'a', source: '/b', id: 'own', time: true })
  assert.equal(timed.id, 'own')
  assert.ok(Math.abs(Date.parse(timed.time ?? '') - Date.now()) < 60_000)
  assert.throws(() => createCloudEvent({ type: '', source: '/b' }), { code: 'INVALID_EVENT', field: 'type' })
})

test('what the official package makes is valid, and what we make it takes', () => {
  const official = new OfficialEvent({ type: 'a', source: '/b', data: { n: 1 }, tenant: 'x', subject: 's' })
  validateCloudEvent({ ...official })
  const ours = createCloudEvent({ type: 'a', source: '/b', data: { n: 1 }, tenant: 'x', time: true })
  assert.equal(new OfficialEvent({ ...ours }).validate(), true)
})

test('more attributes, or longer ones, than anybody needs are refused, by publish and by each decoder', () => {
  const many = Object.fromEntries(Array.from({ length: 200_000 }, (_, n) => [`a${n}`, 'x']))
  const hostile: Readonly<Record<string, Record<string, unknown>>> = {
    attributes: { ...event, ...many },
    type: { ...event, type: 'a'.repeat(65_537) },
    source: { ...event, source: `/${'%20'.repeat(30_000)}` },
    ext: { ...event, ext: 'a'.repeat(2 ** 24) },
    'aaaaaaaaaaaaaaaaaaaa...': { ...event, ['a'.repeat(2 ** 20)]: '1' },
  }
  for (const [field, attributes] of Object.entries(hostile)) {
    assert.throws(() => validateCloudEvent(attributes), { code: 'INVALID_EVENT', field })
    const text = JSON.stringify(attributes)
    assert.throws(() => decodeStructured(text), { code: 'DECODE_FAILED', field })
    assert.throws(() => decodeBatch(`[${text}]`), { code: 'DECODE_FAILED', field: `[0].${field}` })
    const headers = Object.entries(attributes).map(([name, value]): [string, string] => [`ce-${name}`, String(value)])
    assert.throws(
      () => decodeBinaryHttp(headers, null),
      (error: BroadcasterError) => {
        assert.equal(error.code, 'DECODE_FAILED')
        assert.ok(error.message.length < 1_000, 'the message is short')
        return true
      },
    )
  }
  const fitting = { ...event, ext: 'a'.repeat(65_536), type: 'ü'.repeat(65_536) }
  validateCloudEvent(fitting)
  assert.equal(decodeStructured(JSON.stringify(fitting)).attributes['ext'], fitting.ext)
})
