import assert from 'node:assert/strict'
import { encodeStructured } from '../../event/structured.ts'
import type { SendRow } from '../../record/columns.ts'
import type { BackendCase } from '../backend-conformance.ts'
import { sampleEvent } from '../sample-events.ts'
import type { BackendFixture } from './fixture.ts'
import { it, requires } from './fixture.ts'
import { assertAllDelivered, noAbort } from './steps.ts'

/** Sends one event and compares what arrived, attribute by attribute and byte by byte. */
async function roundTrip({ backend, read }: BackendFixture, columns: Partial<SendRow>): Promise<void> {
  const event = sampleEvent(columns)
  const before = (await read()).length
  assertAllDelivered(await backend.send([event], noAbort()))
  const received = (await read())[before]
  assert.ok(received, 'the event arrived')
  const sent = event.toEncodable()
  // Protocols whose headers are text carry numbers and booleans as their text.
  const text = (attributes: typeof sent.attributes) =>
    Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]))
  assert.deepEqual(text(received.attributes), text(sent.attributes))
  assert.equal(received.dataJson, sent.dataJson)
  assert.deepEqual(received.dataBinary && [...received.dataBinary], sent.dataBinary && [...sent.dataBinary])
}

/** What goes in comes out. */
export const eventFidelityCases: readonly BackendCase[] = [
  it('fidelity: every attribute arrives', (fixture) =>
    roundTrip(fixture, {
      partitionKey: 'customer 7',
      eventId: 'own-id-1',
      eventType: 'com.example.order.created.v1',
      source: 'https://example.com/shop?a=1&b=2',
      subject: 'order 7',
      dataSchema: 'https://example.com/schemas/order.json',
      eventTime: '2026-01-02T03:04:05.123456789+05:30',
      extensions: '{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","n":7,"b":true}',
    })),
  it('fidelity: the text of JSON data arrives as it is: big integers, key order, spaces', async (fixture) => {
    await roundTrip(fixture, { data: '{"z":1,"a":123456789012345678901234567890,"m":-9007199254740993}' })
    await roundTrip(fixture, { data: '{ "b" : 1.10e2,  "a": [1.0, 2] }' })
    await roundTrip(fixture, { data: '"a text"' })
    await roundTrip(fixture, { data: '0' })
    await roundTrip(fixture, { data: 'false' })
  }),
  it('fidelity: unicode arrives, in data and in attributes', (fixture) =>
    roundTrip(fixture, {
      partitionKey: 'clé 🔑',
      eventId: '事件-1',
      eventType: 'zamówienie.utworzone',
      subject: 'Ünïcode "subject" 100%',
      data: JSON.stringify({ text: 'zażółć 中文 🎉 \u2028 "quoted" \\back\\ \u0000', clé: '\r\n\t' }),
    })),
  it('fidelity: every byte of binary data arrives', (fixture) =>
    roundTrip(fixture, {
      data: null,
      dataBinary: Uint8Array.from({ length: 256 }, (_, byte) => byte),
      dataContentType: 'application/octet-stream',
    })),
  it('fidelity: text that is not JSON arrives', (fixture) =>
    roundTrip(fixture, { data: '"line 1\\nline 2, ünïcode"', dataContentType: 'text/plain; charset=utf-8' })),
  it('fidelity: an event without data arrives without data', (fixture) => roundTrip(fixture, { data: null })),
  requires('sizeLimit')('fidelity: an event of the declared maximum size arrives', async (fixture) => {
    const limit = fixture.backend.maxEventBytes
    assert.ok(limit !== undefined && Number.isSafeInteger(limit) && limit > 0, 'maxEventBytes is declared')
    const id = sampleEvent().id
    const around = Buffer.byteLength(encodeStructured(sampleEvent({ id, data: '""' }).toEncodable()))
    await roundTrip(fixture, { id, data: `"${'x'.repeat(limit - around)}"` })
  }),
]
