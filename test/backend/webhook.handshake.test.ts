import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OutageError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { Throttle } from '../../src/webhook/throttle.ts'
import { FULL_BUCKET, takeToken } from '../../src/webhook/token-bucket.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { type ReceivedRequest, Receiver } from './receiver.ts'
import { errorOf, kindOf, never, withReceiver } from './webhook-steps.ts'

const handshake = { origin: 'events.example.com' }

/** Answers OPTIONS with these headers and keeps the requests; POST with 204. */
function permitting(
  receiver: Receiver,
  permit: () => Readonly<Record<string, string>>,
  status = 200,
): ReceivedRequest[] {
  const asked: ReceivedRequest[] = []
  receiver.reply = (request, response) => {
    if (request.method !== 'OPTIONS') return void response.writeHead(204).end()
    asked.push(request)
    response.writeHead(status, permit()).end()
  }
  return asked
}

describe('webhook: handshake', () => {
  test('asked before the first event, once for all, and each request says who we are', () =>
    withReceiver(
      { handshake: { ...handshake, rate: 120 }, headers: { authorization: 'x' } },
      async (receiver, backend) => {
        const asked = permitting(receiver, () => ({ 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' }))
        const sends = [sampleEvents(5), sampleEvents(5)].map((events) => backend.send(events, never))
        for (const result of (await Promise.all(sends)).flat()) assert.equal(errorOf(result), undefined)
        assert.equal(asked.length, 1)
        assert.equal(asked[0]?.headers['webhook-request-origin'], 'events.example.com')
        assert.equal(asked[0]?.headers['webhook-request-rate'], '120')
        assert.equal(asked[0]?.headers['authorization'], 'x')
        assert.equal(asked[0]?.path, '/events')
        assert.equal(receiver.requests.length, 10)
        for (const { headers } of receiver.requests)
          assert.equal(headers['webhook-request-origin'], 'events.example.com')
      },
    ))

  test('without the option nothing is asked', () =>
    withReceiver({}, async (receiver, backend) => {
      const asked = permitting(receiver, () => ({}))
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      assert.equal(asked.length, 0)
      assert.equal(receiver.requests[0]?.headers['webhook-request-origin'], undefined)
    }))

  test('the headers permit, whatever the status; a status alone permits nothing', () =>
    withReceiver({ handshake }, async (receiver, backend) => {
      for (const status of [200, 204, 404]) {
        permitting(receiver, () => ({ allow: 'POST' }), status)
        const error = errorOf((await backend.send([sampleEvent()], never))[0])
        assert.match(String(error), new RegExp(`answered ${status} to OPTIONS without WebHook-Allowed-Origin`))
      }
      permitting(receiver, () => ({ 'webhook-allowed-origin': 'Events.Example.com' }), 405)
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    }))

  test('what permits another, or at no rate, permits nothing', () =>
    withReceiver({ handshake }, async (receiver, backend) => {
      for (const [headers, message] of [
        [{ 'webhook-allowed-origin': 'other.example' }, /permits events from other.example, and we are/],
        [{ 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '0' }, /a rate of 0/],
        [{ 'webhook-allowed-origin': '*', 'webhook-allowed-rate': 'many' }, /a rate of many/],
      ] as const) {
        permitting(receiver, () => headers)
        assert.match(String(errorOf((await backend.send([sampleEvent()], never))[0])), message)
      }
      assert.equal(receiver.requests.length, 0)
    }))

  test('a refusal is an outage, for as long as Retry-After says; asked again, it may permit', () =>
    withReceiver({ handshake }, async (receiver, backend) => {
      permitting(receiver, () => ({ 'retry-after': '9' }), 503)
      const error = errorOf((await backend.send([sampleEvent()], never))[0])
      assert.ok(error instanceof OutageError)
      assert.equal(error.retryAfter, 9_000)
      await assert.rejects(async () => backend.connect?.(never), OutageError)
      assert.equal((await backend.healthCheck(never)).healthy, false)
      permitting(receiver, () => ({ 'webhook-allowed-origin': '*' }))
      await backend.connect?.(never)
      assert.equal((await backend.healthCheck(never)).healthy, true)
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    }))

  test('no answer to it in time: an outage', () =>
    withReceiver({ handshake, timeout: 100 }, async (receiver, backend) => {
      receiver.reply = (request, response) => {
        if (request.method !== 'OPTIONS') response.writeHead(204).end()
      }
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
      assert.match(String(errorOf(result)), /the webhook handshake was not answered within 100 ms/)
    }))

  test('permission is asked for again when its time is over', () =>
    withReceiver({ handshake: { ...handshake, renewAfter: 1 } }, async (receiver, backend) => {
      let permitted = true
      const asked = permitting(receiver, () => (permitted ? { 'webhook-allowed-origin': '*' } : {}))
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      permitted = false
      // A millisecond is over by the monotonic clock.
      for (const at = performance.now(); performance.now() - at < 2; );
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
      assert.equal(asked.length, 2)
    }))

  test('each address is asked for itself', () =>
    withReceiver({}, async (receiver) => {
      const asked = permitting(receiver, () => ({ 'webhook-allowed-origin': '*' }))
      const url = ({ subject }: OutgoingEvent) => receiver.url.replace('events', subject ?? '')
      const backend = webhook({ url, handshake, allowPrivateNetworks: true })
      await backend.send(
        ['a', 'b', 'a'].map((subject) => sampleEvent({ subject })),
        never,
      )
      assert.deepEqual(asked.map(({ path }) => path).toSorted(), ['/a', '/b'])
      await backend.close()
    }))

  test('the rate that was agreed is kept, also when it is agreed on again', () =>
    withReceiver({ handshake: { ...handshake, rate: 60_000, renewAfter: 1 } }, async (receiver, backend) => {
      // 1,200 a minute: one every 50 ms.
      permitting(receiver, () => ({ 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '1200' }))
      const started = performance.now()
      for (const events of [sampleEvents(3), sampleEvents(3)]) {
        assert.deepEqual(new Set((await backend.send(events, never)).map(kindOf)), new Set(['ok']))
      }
      assert.ok(performance.now() - started >= 5 * 50)
    }))

  test('options', () => {
    for (const [given, message] of [
      [{}, /handshake\.origin is missing; give a DNS name/],
      [{ origin: 'https://x.example' }, /handshake\.origin is "https:\/\/x\.example"; give a DNS name/],
      [{ origin: 'x.example', rate: 0 }, /handshake\.rate is 0; give a whole number from 1/],
      [{ origin: 'x.example', renewAfter: 0.5 }, /handshake\.renewAfter is 0\.5; give milliseconds/],
      [{ origin: 'x.example', callback: 'https://x' }, /handshake\.callback is not an option/],
      [true, /handshake is true; give \{ origin, rate, renewAfter \}, or false/],
    ] as const) {
      assert.throws(() => webhook({ url: 'http://x.example/', handshake: given as never }), message)
    }
  })
})

describe('webhook: rate limit', () => {
  test('a bucket: bursts after a rest, and never more than its rate', () => {
    const limit = { requests: 10, per: 1_000, burst: 3 }
    let bucket = FULL_BUCKET
    const sent: number[] = []
    for (let now = 0; now < 3_000; now += 5) {
      const taken = takeToken(bucket, limit, now)
      bucket = taken.bucket
      if (taken.wait === 0) sent.push(now)
      else assert.ok(taken.wait <= 100)
    }
    assert.deepEqual(sent.slice(0, 4), [0, 5, 10, 100])
    for (const at of sent) {
      assert.ok(sent.filter((other) => other >= at && other < at + 1_000).length <= 10 + 3 - 1)
    }
    assert.equal(sent.length, 30 + 3 - 1)
  })

  test('requests to an origin keep it; to another they have their own', async () => {
    const receivers = [await Receiver.start(), await Receiver.start()]
    const backend = webhook({
      url: ({ subject }) => receivers[Number(subject)]?.url ?? '',
      allowPrivateNetworks: true,
      rateLimit: { requests: 20, per: 1_000, burst: 2 },
    })
    const arrivals: number[] = []
    for (const [n, receiver] of receivers.entries()) {
      receiver.reply = (_request, response) => {
        arrivals.push(n)
        response.writeHead(204).end()
      }
    }
    const started = performance.now()
    const events = Array.from({ length: 12 }, (_, n) => sampleEvent({ subject: n < 6 ? '0' : '1' }))
    assert.deepEqual(new Set((await backend.send(events, never)).map(kindOf)), new Set(['ok']))
    const took = performance.now() - started
    // Two at once, then one every 50 ms; both origins at the same time.
    assert.ok(took >= 4 * 50 - 1, `${took} ms`)
    assert.deepEqual(arrivals.slice(0, 4).toSorted(), [0, 0, 1, 1])
    await Promise.all(receivers.map((receiver) => receiver.stop()))
    await backend.close()
  })

  test('who waits for a turn leaves when its send ends, at no cost, and the next in line goes on', async () => {
    const throttle = new Throttle({ requests: 1, per: 60, burst: 1 })
    assert.equal(await throttle.turn(never), true)
    const stop = new AbortController()
    const waiting = throttle.turn(stop.signal)
    const behind = throttle.turn(never)
    stop.abort()
    assert.equal(await waiting, false)
    assert.equal(await behind, true)
    await withReceiver({ rateLimit: { requests: 1, per: 60_000 } }, async (receiver, backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      const end = new AbortController()
      const sending = backend.send(sampleEvents(3), end.signal)
      setImmediate(() => end.abort())
      assert.deepEqual((await sending).map(kindOf), Array(3).fill('not-attempted'))
      assert.equal(receiver.requests.length, 1)
    })
  })

  test('closing the backend does not wait for turns', () =>
    withReceiver({ rateLimit: { requests: 1, per: 3_600_000 } }, async (receiver, backend) => {
      const first = Promise.withResolvers<void>()
      receiver.reply = (_request, response) => void response.writeHead(204).end(() => first.resolve())
      const sending = backend.send(sampleEvents(2), never)
      await first.promise
      await backend.close()
      assert.deepEqual((await sending).map(kindOf).toSorted(), ['not-attempted', 'ok'])
    }))
})
