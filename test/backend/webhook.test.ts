import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from './receiver.ts'
import { selfSigned, skipWithoutOpenssl } from './self-signed.ts'
import { errorOf, kindOf, never, withBackend, withReceiver } from './webhook-steps.ts'

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

  test('headers: fixed ones, and ones from a function', () =>
    withReceiver({ headers: { authorization: 'Bearer 1' } }, async (receiver, backend) => {
      await backend.send([sampleEvent()], never)
      assert.equal(receiver.requests[0]?.headers['authorization'], 'Bearer 1')
      assert.equal(receiver.requests[0]?.headers['content-type'], 'application/cloudevents+json; charset=utf-8')
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

  test('connections are kept: as many as are needed at once, and then used again', () =>
    withReceiver({ concurrency: 4 }, async (receiver, backend) => {
      for (let n = 0; n < 5; n++) await backend.send(sampleEvents(20), never)
      assert.equal(receiver.requests.length, 100)
      assert.ok(receiver.connections <= 4, `${receiver.connections} connections`)
    }))

  test('https, with a client certificate that only the destination itself sees', {
    skip: skipWithoutOpenssl(),
  }, async (t) => {
    const [server, client] = [selfSigned('server'), selfSigned('client')]
    const receiver = await Receiver.start({ ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true })
    t.after(() => receiver.stop())
    const tls = { ca: server.cert, ...client }
    await withBackend({ url: receiver.url, tls }, async (backend) => {
      assert.deepEqual((await backend.send(sampleEvents(3, 1), never)).map(kindOf), ['ok', 'ok', 'ok'])
      assert.equal((await backend.healthCheck(never)).healthy, true)
    })
    assert.equal(receiver.connections, 1)
    await withBackend({ url: receiver.url, tls: { ca: server.cert } }, async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
    })
    const other = await Receiver.start()
    t.after(() => other.stop())
    other.reply = (_request, response) => void response.writeHead(307, { location: receiver.url }).end()
    const options = { url: other.url, tls, followRedirects: true, allowPrivateNetworks: true }
    await withBackend(options, async (backend) => {
      assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'outage')
    })
    assert.equal(receiver.requests.length, 3)
  })

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
        for (const field of [
          'url is "ftp://x"; give an http:// or https:// address',
          'concurrency is 0; give',
          'cannot set content-type',
          'a b',
        ]) {
          assert.ok(error.message.includes(field), `${field} in ${error.message}`)
        }
        return true
      },
    )
  })
})
