import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HTTP, CloudEvent as OfficialEvent } from 'cloudevents'
import fc from 'fast-check'
import type { EncodableEvent } from '../../src/event/cloud-event.ts'
import { toCloudEvent } from '../../src/event/encodable.ts'
import { decodeHttp, encodeBinaryHttp } from '../../src/event/http.ts'
import { decodeBatch, decodeStructured, encodeBatch, encodeStructured } from '../../src/event/structured.ts'
import { encodable } from './arbitrary.ts'

/**
 * The same events through the official package and through ours, both ways. Where that package is known to change an
 * event, the comparison says so: it rewrites `time` to milliseconds, reads binary data into a `Uint32Array`, and
 * writes headers without percent-encoding.
 */
const JSON_HEADERS = { 'content-type': 'application/cloudevents+json; charset=utf-8' }

function one(event: OfficialEvent<unknown> | OfficialEvent<unknown>[]): OfficialEvent<unknown> {
  assert.ok(!Array.isArray(event))
  return event
}

function parsed(event: EncodableEvent): unknown {
  return event.dataJson === null ? undefined : JSON.parse(event.dataJson)
}

/** The official package makes its own `time` when there is none, and rounds one to milliseconds. */
function comparable(attributes: Readonly<Record<string, unknown>>, hadTime: boolean): Record<string, unknown> {
  const { time, data: _, data_base64: __, ...rest } = attributes
  const present = Object.entries(rest).filter(([, value]) => value !== undefined)
  const instant = hadTime && typeof time === 'string' ? { time: new Date(time).toISOString() } : {}
  return { ...Object.fromEntries(present), ...instant }
}

describe('ours, read by the official package', () => {
  test('structured', () => {
    fc.assert(
      fc.property(encodable, (event) => {
        const read = one(
          HTTP.toEvent<unknown>({ headers: JSON_HEADERS, body: encodeStructured(event) }) as OfficialEvent<unknown>,
        )
        const hadTime = 'time' in event.attributes
        assert.deepEqual(comparable({ ...read }, hadTime), comparable(event.attributes, hadTime))
        const value = parsed(event)
        // It drops data that is false in JavaScript.
        if (event.dataBinary) assert.deepEqual(Array.from(read.data as Uint32Array), Array.from(event.dataBinary))
        else if (value) assert.deepEqual(read.data, value)
      }),
    )
  })

  test('binary', () => {
    fc.assert(
      fc.property(encodable, (event) => {
        const { headers, body } = encodeBinaryHttp(event)
        const read = one(
          HTTP.toEvent<unknown>({ headers: { ...headers }, body: body ?? undefined }) as OfficialEvent<unknown>,
        )
        const hadTime = 'time' in event.attributes
        const decoded = Object.entries({ ...read }).map(([name, value]) => [
          name,
          typeof value === 'string' && !['time', 'datacontenttype', 'data'].includes(name)
            ? decodeURIComponent(value)
            : value,
        ])
        const expected = Object.entries(event.attributes).map(([name, value]) => [name, String(value)])
        if (event.dataJson !== null && !('datacontenttype' in event.attributes))
          expected.push(['datacontenttype', 'application/json'])
        assert.deepEqual(
          comparable(Object.fromEntries(decoded), hadTime),
          comparable(Object.fromEntries(expected), hadTime),
        )
      }),
    )
  })

  test('batch', () => {
    const events = [1, 2].map(
      (n): EncodableEvent => ({
        attributes: { specversion: '1.0', id: String(n), source: '/s', type: 't' },
        dataJson: `{"n":${n}}`,
        dataBinary: null,
      }),
    )
    const headers = { 'content-type': 'application/cloudevents-batch+json' }
    const read = HTTP.toEvent<unknown>({ headers, body: encodeBatch(events) })
    assert.ok(Array.isArray(read))
    assert.deepEqual(
      read.map((event) => [event.id, event.data]),
      [
        ['1', { n: 1 }],
        ['2', { n: 2 }],
      ],
    )
  })
})

describe('the official package, read by us', () => {
  const data: readonly (readonly [string, string | undefined, unknown])[] = [
    ['an object', 'application/json', { a: [1, 'x', null], b: { c: true } }],
    ['an object without a content type', undefined, { a: 1 }],
    ['an object of a +json type', 'application/vnd.x+json', { a: 1 }],
    ['a text', 'text/plain', 'größe "x"'],
    ['bytes', 'application/octet-stream', new Uint8Array([0, 1, 254, 255])],
    ['nothing', undefined, undefined],
  ]
  for (const [name, datacontenttype, value] of data) {
    const official = new OfficialEvent<unknown>({
      id: 'a 1',
      type: 't',
      source: '/s',
      time: '2026-01-31T12:00:00.000Z',
      subject: 'sub',
      dataschema: 'https://example.com/x',
      tenant: 'acme',
      count: 7,
      ...(datacontenttype === undefined ? {} : { datacontenttype }),
      ...(value === undefined ? {} : { data: value }),
    })
    const { data: _, data_base64: __, ...attributes } = JSON.parse(JSON.stringify(official)) as Record<string, unknown>

    test(`structured: ${name}`, () => {
      const message = HTTP.structured(official)
      const [event] = decodeHttp(message.headers as Record<string, string>, message.body as string)
      assert.ok(event)
      assert.deepEqual(event.attributes, attributes)
      if (value instanceof Uint8Array) assert.deepEqual(event.dataBinary, value)
      else assert.deepEqual(toCloudEvent(event)['data'], value)
    })

    test(`binary: ${name}`, () => {
      const message = HTTP.binary(official)
      const headers = Object.fromEntries(
        Object.entries(message.headers).map(([header, text]) => [header, String(text)]),
      )
      const [event] = decodeHttp(headers, message.body as string | Uint8Array | undefined)
      assert.ok(event)
      // The official package announces JSON whenever the event says nothing.
      const expected = { datacontenttype: 'application/json; charset=utf-8', ...attributes, count: '7' }
      assert.deepEqual(event.attributes, expected)
      if (value instanceof Uint8Array) assert.deepEqual(event.dataBinary, value)
      else assert.deepEqual(toCloudEvent(event)['data'], value)
    })
  }

  test('its JSON, with attributes and data as they stand', () => {
    fc.assert(
      fc.property(encodable, (event) => {
        const { dataBinary } = event
        const given = dataBinary ? { data: dataBinary } : { data: parsed(event) }
        const official = new OfficialEvent<unknown>({ ...event.attributes, ...given }, false)
        const read = decodeStructured(JSON.stringify(official))
        const hadTime = 'time' in event.attributes
        assert.deepEqual(comparable(read.attributes, hadTime), comparable(event.attributes, hadTime))
        assert.deepEqual(read.dataBinary, dataBinary)
        assert.deepEqual(parsed(read), parsed(event))
      }),
    )
    assert.equal(decodeBatch(JSON.stringify([new OfficialEvent({ type: 't', source: '/s' })])).length, 1)
  })
})
