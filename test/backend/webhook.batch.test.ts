import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { decodeHttp } from '../../src/event/http.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { batchParts } from '../../src/webhook/batch-parts.ts'
import { type WebhookOptions, webhook } from '../../src/webhook/webhook.ts'
import type { ReceivedRequest, Receiver } from './receiver.ts'
import { kindOf, never, withReceiver } from './webhook-steps.ts'

const withBatches = (
  options: Partial<WebhookOptions>,
  work: (receiver: Receiver, backend: Backend) => Promise<void>,
): Promise<void> => withReceiver({ mode: 'batch', ...options }, work)

const idsIn = ({ headers, body }: ReceivedRequest) =>
  decodeHttp(headers as Record<string, string>, body).map(({ attributes }) => String(attributes['id']))
const sizes = (receiver: Receiver) => receiver.requests.map((request) => idsIn(request).length)

/** Answers with a status when one of these events is in the request, and keeps what was accepted. */
function refusing(receiver: Receiver, bad: readonly OutgoingEvent[], status = 500): string[] {
  const accepted: string[] = []
  receiver.reply = (request, response) => {
    if (request.method !== 'POST') return void response.writeHead(405).end()
    const ids = idsIn(request)
    const refused = ids.some((id) => bad.some((event) => event.id === id))
    if (!refused) accepted.push(...ids)
    response.writeHead(refused ? status : 204).end()
  }
  return accepted
}

const keyed = (...keys: readonly string[]): OutgoingEvent[] => keys.map((partitionKey) => sampleEvent({ partitionKey }))

describe('webhook: batches', () => {
  test('many events in one request, in order, as application/cloudevents-batch+json', () =>
    withBatches({}, async (receiver, backend) => {
      const events = sampleEvents(50, 5)
      assert.ok((await backend.send(events, never)).every(({ ok }) => ok))
      assert.equal(receiver.requests.length, 1)
      const [request] = receiver.requests
      assert.ok(request)
      assert.equal(request.headers['content-type'], 'application/cloudevents-batch+json; charset=utf-8')
      assert.deepEqual(
        idsIn(request),
        events.map(({ id }) => id),
      )
    }))

  test('maxBatch bounds events and bytes; a larger event goes by itself', () =>
    withBatches({ maxBatch: { events: 20, bytes: 8_000 } }, async (receiver, backend) => {
      assert.ok((await backend.send(sampleEvents(45), never)).every(({ ok }) => ok))
      assert.equal(
        sizes(receiver).reduce((sum, size) => sum + size),
        45,
      )
      for (const { body } of receiver.requests) assert.ok(body.length <= 8_000)
      assert.ok(Math.max(...sizes(receiver)) <= 20)
      receiver.requests.length = 0
      const large = sampleEvent({ data: JSON.stringify('x'.repeat(10_000)) })
      assert.ok((await backend.send([sampleEvent(), large, sampleEvent()], never)).every(({ ok }) => ok))
      assert.deepEqual(sizes(receiver), [1, 1, 1])
    }))

  test('a batch that is refused is sent one by one: a bad event fails none of its neighbours', () =>
    withBatches({}, async (receiver, backend) => {
      for (const [status, kind] of [
        [500, 'failure'],
        [422, 'permanent'],
      ] as const) {
        const events = sampleEvents(9)
        const bad = events.filter((_event, n) => n === 4)
        const accepted = refusing(receiver, bad, status)
        const kinds = (await backend.send(events, never)).map(kindOf)
        assert.deepEqual(kinds, [...Array(4).fill('ok'), kind, ...Array(4).fill('ok')])
        assert.equal(new Set(accepted).size, 8)
        assert.equal(accepted.length, 8)
      }
    }))

  test('order per key: none after a refused one of its key, all of the other keys', () =>
    withBatches({}, async (receiver, backend) => {
      const events = keyed('a', 'b', 'a', 'b', 'a', 'b')
      const accepted = refusing(receiver, events.slice(2, 3))
      const kinds = (await backend.send(events, never)).map(kindOf)
      assert.deepEqual(kinds, ['ok', 'ok', 'failure', 'ok', 'not-attempted', 'ok'])
      const [a, b] = [0, 1].map((rest) => events.filter((_event, n) => n % 2 === rest).map(({ id }) => id))
      assert.deepEqual(
        accepted.filter((id) => a?.includes(id)),
        a?.slice(0, 1),
      )
      assert.deepEqual(
        accepted.filter((id) => b?.includes(id)),
        b,
      )
    }))

  test('order per key: also when its events are in several batches, or in the other half', () =>
    withBatches({ maxBatch: { events: 2 } }, async (receiver, backend) => {
      const events = keyed('a', 'b', 'a', 'b', 'a', 'b')
      const accepted = refusing(receiver, events.slice(0, 1))
      const kinds = (await backend.send(events, never)).map(kindOf)
      assert.deepEqual(kinds, ['failure', 'ok', 'not-attempted', 'ok', 'not-attempted', 'ok'])
      const large = sampleEvent({ partitionKey: 'a', data: JSON.stringify('x'.repeat(3_000)) })
      receiver.reply = (request, response) => void response.writeHead(request.body.length > 3_000 ? 413 : 204).end()
      const halved = (await backend.send([large, ...keyed('a')], never)).map(kindOf)
      assert.deepEqual(halved, ['permanent', 'not-attempted'])
      assert.equal(accepted.length, 3)
    }))

  test('one that was refused goes alone until it is taken, and spoils no other batch', () =>
    withBatches({}, async (receiver, backend) => {
      const [bad, ...rest] = sampleEvents(6)
      assert.ok(bad)
      refusing(receiver, [bad])
      await backend.send([bad, ...rest], never)
      receiver.requests.length = 0
      const next = sampleEvents(5)
      assert.deepEqual((await backend.send([bad, ...next], never)).map(kindOf), ['failure', ...Array(5).fill('ok')])
      assert.deepEqual(sizes(receiver), [1, 5])
      refusing(receiver, [])
      receiver.requests.length = 0
      await backend.send([bad, ...sampleEvents(5)], never)
      await backend.send([bad, ...sampleEvents(5)], never)
      assert.deepEqual(sizes(receiver), [1, 5, 6])
    }))

  test('413: in halves, down to the event that is too large by itself', () =>
    withBatches({}, async (receiver, backend) => {
      receiver.reply = (request, response) => void response.writeHead(request.body.length > 3_000 ? 413 : 204).end()
      const events = [...sampleEvents(8), sampleEvent({ data: JSON.stringify('x'.repeat(3_000)) }), ...sampleEvents(3)]
      const kinds = (await backend.send(events, never)).map(kindOf)
      assert.deepEqual(kinds, [...Array(8).fill('ok'), 'permanent', ...Array(3).fill('ok')])
      assert.ok(receiver.requests.length < 12)
    }))

  test('what refuses everything stops the send, and blames no event', () =>
    withBatches({ maxBatch: { events: 2 } }, async (receiver, backend) => {
      receiver.reply = (_request, response) => void response.writeHead(503).end()
      const kinds = (await backend.send(sampleEvents(6), never)).map(kindOf)
      assert.deepEqual(kinds, ['outage', 'outage', ...Array(4).fill('not-attempted')])
      assert.equal(receiver.requests.length, 1)
    }))

  test('a batch that is not answered in time costs no event anything; then they go one by one', () =>
    withBatches({ timeout: 1_000 }, async (receiver, backend) => {
      const events = sampleEvents(4)
      const slow = events[1]
      receiver.reply = (request, response) => {
        if (!slow || !request.body.includes(slow.id)) response.writeHead(204).end()
      }
      assert.deepEqual((await backend.send(events, never)).map(kindOf), Array(4).fill('not-attempted'))
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['ok', 'failure', 'ok', 'ok'])
    }))

  test('each destination has batches of its own; a key that goes to both keeps its order', () =>
    withBatches({}, async (receiver) => {
      const backend = webhook({
        mode: 'batch',
        url: ({ subject }) => receiver.url.replace('events', subject ?? ''),
        allowPrivateNetworks: true,
      })
      const events = ['x', 'y', 'y', 'x', 'x'].map((subject) => sampleEvent({ subject, partitionKey: 'k' }))
      assert.ok((await backend.send(events, never)).every(({ ok }) => ok))
      assert.deepEqual(
        receiver.requests.map((request) => [request.path, idsIn(request).length]),
        [
          ['/x', 1],
          ['/y', 2],
          ['/x', 2],
        ],
      )
      assert.deepEqual(
        receiver.requests.flatMap(idsIn),
        events.map(({ id }) => id),
      )
      await backend.close()
    }))

  test('an event that cannot be written fails by itself', () =>
    withBatches({}, async (receiver, backend) => {
      const events = keyed('a', 'b', 'a')
      const [bad] = events
      assert.ok(bad)
      Object.defineProperty(bad, 'toEncodable', { value: () => assert.fail('no') })
      assert.deepEqual((await backend.send(events, never)).map(kindOf), ['permanent', 'ok', 'not-attempted'])
      assert.deepEqual(sizes(receiver), [1])
    }))

  test('an abort in the middle costs nothing', () =>
    withBatches({ maxBatch: { events: 2 } }, async (receiver, backend) => {
      const stop = new AbortController()
      receiver.reply = (request, response) => {
        if (receiver.requests.length === 1) response.writeHead(204).end()
        else if (request.method === 'POST') stop.abort()
      }
      const kinds = (await backend.send(sampleEvents(6), stop.signal)).map(kindOf)
      assert.deepEqual(kinds, ['ok', 'ok', ...Array(4).fill('not-attempted')])
    }))

  test('parts: in order, each within both limits', () => {
    const item = (bytes: number, alone = false) => ({ bytes, alone })
    const parts = (items: readonly { bytes: number; alone: boolean }[]) =>
      batchParts(items, { events: 3, bytes: 20 }).map((part) => part.map(({ bytes }) => bytes))
    assert.deepEqual(parts([]), [])
    assert.deepEqual(parts([1, 2, 3, 4].map((n) => item(n))), [[1, 2, 3], [4]])
    // 8 + 9 and two brackets and a comma: 20.
    assert.deepEqual(parts([item(8), item(9), item(8), item(10)]), [[8, 9], [8], [10]])
    assert.deepEqual(parts([item(5), item(50), item(5)]), [[5], [50], [5]])
    assert.deepEqual(parts([item(1), item(2, true), item(3, true), item(4)]), [[1], [2, 3], [4]])
  })
})
