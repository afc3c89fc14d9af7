import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError, OutageError, RetryAfterError } from '../../src/backend/send-error.ts'
import { isPrivateAddress } from '../../src/backend/webhook/private-networks.ts'
import { parseRetryAfter } from '../../src/backend/webhook/retry-after.ts'
import { type WebhookOptions, webhook } from '../../src/backend/webhook/webhook.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { Receiver } from './receiver.ts'

const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const errorOf = (result: SendResult | undefined) => (result?.ok === false ? result.error : undefined)

async function withReceiver(
  options: Partial<WebhookOptions>,
  work: (receiver: Receiver, backend: Backend) => Promise<void>,
): Promise<void> {
  const receiver = await Receiver.start()
  const backend = webhook({ url: receiver.url, ...options })
  try {
    await work(receiver, backend)
  } finally {
    // First the receiver: an answer that a test holds back would keep the backend waiting.
    await receiver.stop()
    await backend.close()
  }
}

describe('webhook: what each status means', () => {
  const table: readonly (readonly [number, 'ok' | 'failure' | 'permanent' | 'outage'])[] = [
    [200, 'ok'],
    [201, 'ok'],
    [202, 'ok'],
    [204, 'ok'],
    [301, 'outage'],
    [302, 'outage'],
    [304, 'outage'],
    [400, 'permanent'],
    [401, 'outage'],
    [403, 'outage'],
    [404, 'permanent'],
    [407, 'outage'],
    [408, 'failure'],
    [409, 'permanent'],
    [410, 'permanent'],
    [413, 'permanent'],
    [422, 'permanent'],
    [425, 'failure'],
    [429, 'outage'],
    [500, 'failure'],
    [501, 'failure'],
    [502, 'outage'],
    [503, 'outage'],
    [504, 'outage'],
    [520, 'failure'],
  ]
  for (const [status, kind] of table) {
    test(`${status}: ${kind}`, () =>
      withReceiver({}, async (receiver, backend) => {
        receiver.reply = (_request, response) => void response.writeHead(status).end('because')
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        if (kind !== 'ok' && status !== 304)
          assert.match(String(errorOf(result)), new RegExp(`answered ${status}: because`))
      }))
  }

  test('Retry-After counts: for an outage, and for a failure', () =>
    withReceiver({}, async (receiver, backend) => {
      for (const [status, type] of [
        [429, OutageError],
        [503, OutageError],
        [500, RetryAfterError],
        [408, RetryAfterError],
      ] as const) {
        receiver.reply = (_request, response) => void response.writeHead(status, { 'retry-after': '7' }).end()
        const error = errorOf((await backend.send([sampleEvent()], never))[0])
        assert.ok(error instanceof type)
        assert.equal(error.retryAfter, 7_000)
      }
    }))

  test('Retry-After is seconds or an HTTP date by the clock of the destination', () => {
    const date = 'Wed, 21 Oct 2015 07:28:00 GMT'
    assert.equal(parseRetryAfter('120', undefined), 120_000)
    assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:28:30 GMT', date), 30_000)
    assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:27:00 GMT', date), 0)
    assert.equal(parseRetryAfter('99999999', date), 86_400_000)
    for (const nonsense of [undefined, '', '-1', '1.5', 'soon', '2015-10-21'])
      assert.equal(parseRetryAfter(nonsense, date), undefined)
  })
})

describe('webhook: requests', () => {
  test('the message shows the end of the answer, and no secret of the address', () =>
    withReceiver({}, async (receiver) => {
      receiver.reply = (_request, response) => void response.writeHead(400).end(`${'x'.repeat(1_000)}the reason`)
      const backend = webhook({ url: receiver.url.replace('//', '//user:hush@').concat('?token=hush') })
      const message = String(errorOf((await backend.send([sampleEvent()], never))[0]))
      assert.match(message, /x the reason$|xthe reason$/)
      assert.ok(message.length < 400)
      assert.doesNotMatch(message, /hush/)
      await backend.close()
    }))

  test('an endless answer is not read to its end', () =>
    withReceiver({}, async (receiver, backend) => {
      let closed: Promise<unknown> | undefined
      receiver.reply = (_request, response) => {
        closed = once(response, 'close')
        response.writeHead(500)
        const pour = (): void => {
          while (!response.destroyed && response.write('y'.repeat(10_000)));
        }
        response.on('drain', pour)
        pour()
      }
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'failure')
      await closed
    }))

  test('headers: fixed ones, and ones from a function', () =>
    withReceiver({ headers: { authorization: 'Bearer 1' } }, async (receiver, backend) => {
      await backend.send([sampleEvent()], never)
      assert.equal(receiver.requests[0]?.headers['authorization'], 'Bearer 1')
      assert.equal(receiver.requests[0]?.headers['content-type'], 'application/cloudevents+json; charset=UTF-8')
      let token = 1
      const fresh = webhook({ url: receiver.url, headers: async () => ({ authorization: `Bearer ${++token}` }) })
      await fresh.send(sampleEvents(2, 1), never)
      assert.deepEqual(
        receiver.requests.slice(1).map(({ headers }) => headers['authorization']),
        ['Bearer 2', 'Bearer 3'],
      )
      await fresh.close()
    }))

  test('at most `concurrency` requests are open at once, and one of a key', () =>
    withReceiver({ concurrency: 3 }, async (receiver, backend) => {
      receiver.reply = (_request, response) => void setImmediate(() => response.writeHead(204).end())
      await Promise.all([backend.send(sampleEvents(40), never), backend.send(sampleEvents(40), never)])
      assert.equal(receiver.requests.length, 80)
      assert.ok(receiver.mostOpen > 1 && receiver.mostOpen <= 3, `${receiver.mostOpen} at once`)
      receiver.mostOpen = 0
      await backend.send(sampleEvents(10, 1), never)
      assert.equal(receiver.mostOpen, 1)
    }))

  test('a kept connection that the server closed meanwhile is no outage', async () => {
    // Answers the first request of each connection, and cuts the connection at the second.
    const server = createServer((socket) => {
      let requests = 0
      socket.on('data', () => {
        if (++requests > 1) socket.destroy()
        else socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const backend = webhook({ url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/` })
    for (let n = 0; n < 4; n++) assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    await backend.close()
    server.close()
  })

  test('options: every problem in one error', () => {
    assert.throws(
      () =>
        webhook({ url: 'ftp://x', timeOut: 5, concurrency: 0, headers: { 'content-type': 'x', 'a b': 'c' } } as never),
      (error: Error) => {
        assert.match(error.message, /timeOut is not an option; did you mean "timeout"/)
        for (const field of ['url must be', 'concurrency must be', 'cannot set content-type', 'a b']) {
          assert.ok(error.message.includes(field), `${field} in ${error.message}`)
        }
        return true
      },
    )
  })
})

describe('webhook: a destination that does not answer in time', () => {
  test('silent altogether: an outage', () =>
    withReceiver({ timeout: 100 }, async (receiver, backend) => {
      receiver.reply = () => undefined
      const results = await backend.send(sampleEvents(3), never)
      assert.deepEqual(results.map(kindOf), ['outage', 'outage', 'outage'])
    }))

  test('it answers other events, or a HEAD: a failure of the event, which would hold up all others for ever', () =>
    withReceiver({ timeout: 100 }, async (receiver, backend) => {
      const slow = sampleEvent()
      receiver.reply = (request, response) => {
        if (!request.body.includes(slow.id)) response.writeHead(204).end()
      }
      assert.deepEqual((await backend.send([slow], never)).map(kindOf), ['failure'])
      assert.deepEqual((await backend.send([slow, sampleEvent()], never)).map(kindOf), ['failure', 'ok'])
    }))

  test('an abort costs the event nothing', () =>
    withReceiver({}, async (receiver, backend) => {
      const stop = new AbortController()
      receiver.reply = () => stop.abort()
      assert.deepEqual(
        (await backend.send(sampleEvents(3, 1), stop.signal)).map(kindOf),
        Array(3).fill('not-attempted'),
      )
    }))
})

describe('webhook: redirects and private networks', () => {
  const redirectTo = (receiver: Receiver, status: number, location: () => string) => {
    receiver.reply = (request, response) => {
      if (request.path === '/there') return void response.writeHead(204).end()
      response.writeHead(status, { location: location() }).end()
    }
  }

  test('a redirect is not followed unless asked', () =>
    withReceiver({}, async (receiver, backend) => {
      redirectTo(receiver, 308, () => '/there')
      const [result] = await backend.send([sampleEvent()], never)
      assert.equal(kindOf(result), 'outage')
      assert.match(String(errorOf(result)), /sends us to \/there, which is not followed/)
      assert.equal(receiver.requests.length, 1)
    }))

  for (const status of [301, 302, 307, 308]) {
    test(`followRedirects posts the whole event again: ${status}`, () =>
      withReceiver({ followRedirects: true, headers: { authorization: 'x' } }, async (receiver, backend) => {
        redirectTo(receiver, status, () => '/there')
        const event = sampleEvent()
        assert.equal(kindOf((await backend.send([event], never))[0]), 'ok')
        assert.equal(receiver.requests[1]?.path, '/there')
        assert.ok(receiver.requests[1]?.body.includes(event.id))
        assert.equal(receiver.requests[1]?.headers['authorization'], 'x')
      }))
  }

  test('a circle of redirects ends', () =>
    withReceiver({ followRedirects: true }, async (receiver, backend) => {
      redirectTo(receiver, 307, () => '/again')
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
      assert.equal(receiver.requests.length, 6)
    }))

  test('a redirect into a private network is refused, by address and by name, and allowed by option', async (t) => {
    const inner = await Receiver.start()
    t.after(() => inner.stop())
    const location = (host: string) => inner.url.replace('127.0.0.1', host)
    for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]', 'localhost', '2130706433']) {
      await withReceiver({ followRedirects: true }, async (receiver, backend) => {
        redirectTo(receiver, 307, () => location(host))
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), 'outage')
        assert.match(String(errorOf(result)), /private network/)
      })
    }
    assert.equal(inner.requests.length, 0)
    const permitted = { followRedirects: true, allowPrivateNetworks: true, headers: { authorization: 'mine' } }
    await withReceiver(permitted, async (receiver, backend) => {
      redirectTo(receiver, 307, () => location('127.0.0.1'))
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      assert.equal(inner.requests.length, 1)
      assert.equal(inner.requests[0]?.headers['authorization'], undefined, 'credentials stay with their origin')
    })
  })

  test('an address that a function returns is guarded, a fixed one is not', () =>
    withReceiver({}, async (receiver) => {
      for (const url of [receiver.url, receiver.url.replace('127.0.0.1', 'localhost')]) {
        const guarded = webhook({ url: () => url })
        const [result] = await guarded.send([sampleEvent()], never)
        assert.match(String(errorOf(result)), /private network/)
        await guarded.close()
      }
      const free = webhook({ url: () => receiver.url, allowPrivateNetworks: true })
      assert.equal(kindOf((await free.send([sampleEvent()], never))[0]), 'ok')
      await free.close()
    }))

  test('with an address for each event one destination that is away is no outage of the others', () =>
    withReceiver({}, async (receiver) => {
      const gone = await Receiver.start()
      const goneUrl = gone.url
      await gone.stop()
      const backend = webhook({
        url: ({ subject }) => (subject === 'gone' ? goneUrl : receiver.url),
        allowPrivateNetworks: true,
      })
      const results = await backend.send([sampleEvent({ subject: 'gone' }), sampleEvent()], never)
      assert.deepEqual(results.map(kindOf), ['failure', 'ok'])
      receiver.reply = (_request, response) => void response.writeHead(503, { 'retry-after': '3' }).end()
      const error = errorOf((await backend.send([sampleEvent()], never))[0])
      assert.ok(error instanceof RetryAfterError)
      assert.equal(error.retryAfter, 3_000)
      await backend.close()
    }))

  test('private addresses', () => {
    const inside = ['10.1.2.3', '127.0.0.1', '169.254.169.254', '172.31.0.1', '192.168.1.1', '100.64.0.1', '0.0.0.0']
    const inside6 = ['::1', '::', '[fe80::1]', 'fd00::1', '::ffff:8.8.8.8', '64:ff9b::a00:1', 'ff02::1', 'fe80::1%eth0']
    for (const address of [...inside, ...inside6]) assert.equal(isPrivateAddress(address), true, address)
    for (const address of ['8.8.8.8', '172.32.0.1', '11.0.0.1', '2606:4700::1111', 'example.com']) {
      assert.equal(isPrivateAddress(address), false, address)
    }
  })
})
