import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { encodeStructured } from '../../src/event/structured.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { toNodeListener, type WebhookReceiverOptions, webhookReceiver } from '../../src/webhook/webhook-receiver.ts'
import { root } from '../project/source-files.ts'

const secret = `whsec_${randomBytes(32).toString('base64')}`
const type = 'application/cloudevents+json'

function signedHeaders(body: string): Record<string, string> {
  const at = new Date()
  return {
    'content-type': type,
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('msg_1', at, body),
  }
}

async function listening(t: TestContext, options: Partial<WebhookReceiverOptions> = {}): Promise<number> {
  const handlers = { '*': () => undefined }
  const given = { name: 'hostile', keys: secret, inbox: false as const, handlers, ...options }
  const server = createServer(toNodeListener(webhookReceiver(given as WebhookReceiverOptions)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** A connection on which a request has begun, and the answer, once it and the connection have come to their end. */
function begin(t: TestContext, port: number, headers: Readonly<Record<string, string>>) {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  let received = ''
  const status = Promise.withResolvers<number>()
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text
    const [, code] = /^HTTP\/1\.1 (\d{3})/.exec(received) ?? []
    if (code) status.resolve(Number(code))
  })
  socket.on('error', () => undefined).on('close', () => status.reject(new Error(`closed after '${received}'`)))
  const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`POST /events HTTP/1.1\r\n${lines.join('')}\r\n`)
  status.promise.catch(() => undefined)
  return { socket, status: status.promise }
}

/** Writes as fast as the other end reads; ends early when it hangs up. */
async function pour(socket: Socket, piece: string, times: number): Promise<void> {
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (let n = 0; n < times && !socket.destroyed; n++) {
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
  }
}

describe('webhook receiver: hostile senders', () => {
  test('bodies of 2 MiB in chunks of one byte, five at once: little memory, and good events go on', async (t) => {
    const path = join(root, 'test/consumer/receiver-process.ts')
    const child = fork(path, [secret], { execArgv: ['--max-old-space-size=700', ...process.execArgv] })
    t.after(() => child.kill('SIGKILL'))
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    const chunk = '1\r\nx\r\n'
    const attacks = Array.from({ length: 5 }, async () => {
      const headers = { ...signedHeaders('another body'), 'transfer-encoding': 'chunked' }
      const { socket, status } = begin(t, port, headers)
      await pour(socket, chunk.repeat(4_096), 512 - 1)
      socket.write('0\r\n\r\n')
      return status.catch(() => 0)
    })
    for (let n = 0; n < 5; n++) {
      const body = encodeStructured(sampleEvent().toEncodable())
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers: signedHeaders(body) })
      assert.equal(answer.status, 204)
    }
    // Not verified, or too slow on a machine that is: never taken, and nobody died.
    for (const status of await Promise.all(attacks)) assert.ok(status === 401 || status === 408, String(status))
    child.send('how much?')
    const [{ kilobytes }] = (await once(child, 'message')) as [{ kilobytes: number }]
    assert.ok(kilobytes < 400_000, `${kilobytes} kB`)
  })

  test('a body in chunks of one byte is read right', async (t) => {
    const port = await listening(t)
    const body = encodeStructured(sampleEvent({ data: JSON.stringify('é'.repeat(20_000)) }).toEncodable())
    const { socket, status } = begin(t, port, { ...signedHeaders(body), 'transfer-encoding': 'chunked' })
    const frames = Array.from(Buffer.from(body), (byte) => Buffer.from([0x31, 13, 10, byte, 13, 10]))
    socket.write(Buffer.concat([...frames, Buffer.from('0\r\n\r\n')]))
    assert.equal(await status, 204)
  })

  test('refused before a byte of the body: too long, no signature, an old one; the connection ends', async (t) => {
    const port = await listening(t, { maxBytes: 1_000 })
    const old = { ...signedHeaders('x'), 'webhook-timestamp': '1000000000' }
    for (const [headers, expected] of [
      [{ ...signedHeaders('x'), 'content-length': '1001' }, 413],
      [{ 'content-type': type, 'content-length': '10' }, 401],
      [{ 'content-type': type, 'transfer-encoding': 'chunked' }, 401],
      [{ ...old, 'content-length': '10' }, 401],
      [{ ...signedHeaders('x'), 'content-type': 'text/html', 'content-length': '10' }, 415],
    ] as const) {
      const { socket, status } = begin(t, port, headers as Record<string, string>)
      const closed = once(socket, 'close')
      assert.equal(await status, expected)
      // However much it goes on to send, nobody reads it for longer than a moment.
      await closed
    }
  })

  test('longer than announced to us: cut at the limit, whatever the pieces', async (t) => {
    const port = await listening(t, { maxBytes: 1_000 })
    for (const piece of ['1\r\nx\r\n', `400\r\n${'x'.repeat(0x400)}\r\n`]) {
      const { socket, status } = begin(t, port, { ...signedHeaders('x'), 'transfer-encoding': 'chunked' })
      const pouring = pour(socket, piece, 2_000)
      assert.equal(await status, 413)
      await pouring
    }
  })

  test('a body that stops, or trickles: 408, after its time', async (t) => {
    const stopped = performance.now()
    const stopping = begin(t, await listening(t, { bodyTimeout: 200 }), {
      ...signedHeaders('x'),
      'content-length': '9',
    })
    stopping.socket.write('1234')
    assert.equal(await stopping.status, 408)
    assert.ok(performance.now() - stopped < 2_500, 'by its time, and not by the rate, which is looked at after 3 s')
    // Less than a kilobyte a second, though it has a minute: the rate decides.
    const port = await listening(t, { bodyTimeout: 60_000 })
    const began = performance.now()
    const trickling = begin(t, port, { ...signedHeaders('x'), 'content-length': '100000' })
    const timer = setInterval(() => trickling.socket.write('x'), 50)
    t.after(() => clearInterval(timer))
    assert.equal(await trickling.status, 408)
    assert.ok(performance.now() - began < 30_000, 'by the rate, not by the time that it has')
  })

  test('all bodies together are bounded until they are answered; then there is room again', async (t) => {
    const held = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const handlers = {
      '*': ({ subject }: DeliveryEvent) => {
        if (subject !== 'held') return
        entered.resolve()
        return held.promise
      },
    }
    const port = await listening(t, { handlers, maxBytes: 50_000, maxTotalBytes: 60_000 })
    const send = async (subject: string) => {
      const data = JSON.stringify('x'.repeat(40_000))
      const body = encodeStructured(sampleEvent({ subject, data }).toEncodable())
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers: signedHeaders(body) })
      return { status: answer.status, retryAfter: answer.headers.get('retry-after') }
    }
    const first = send('held')
    await entered.promise
    assert.deepEqual(await send('next'), { status: 503, retryAfter: '1' })
    held.resolve()
    assert.equal((await first).status, 204)
    // Refused bodies have given theirs back, too.
    for (let n = 0; n < 5; n++) assert.equal((await send('next')).status, 204)
    assert.throws(() => webhookReceiver({ name: 'x', keys: false, inbox: false, handlers: {}, maxTotalBytes: 5 }), {
      code: 'INVALID_OPTION',
      field: 'maxTotalBytes',
    })
  })

  test('any headers and any body: an answer, and never 500', async () => {
    const receive = webhookReceiver({ name: 'fuzz', keys: false, inbox: false, handlers: { '*': () => undefined } })
    const json = encodeStructured(sampleEvent().toEncodable())
    const text = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(json, `[${json}]`, json.slice(0, -1), '', '[]', 'null', `{"data":${'['.repeat(50_000)}`),
      // A valid event of which one member is anything.
      fc
        .tuple(fc.constantFrom('id', 'type', 'time', 'data', 'data_base64', '__proto__', 'x'), fc.json())
        .map(([name, value]) => `${json.slice(0, -1)},${JSON.stringify(name)}:${value}}`),
    )
    const body = fc.oneof(text, fc.uint8Array()) as fc.Arbitrary<string | Uint8Array<ArrayBuffer>>
    const value = fc.oneof(
      fc.constantFrom(
        type,
        'application/cloudevents-batch+json',
        'application/json; charset=utf-16',
        '1.0',
        '%',
        '%ff',
      ),
      fc.string({ unit: 'grapheme-ascii' }),
    )
    const name = fc.constantFrom(
      ...[
        'content-type',
        'ce-specversion',
        'ce-id',
        'ce-source',
        'ce-type',
        'ce-time',
        'ce-Äx',
        'ce-',
        'content-length',
      ],
      ...['content-encoding', 'webhook-request-origin'],
    )
    const method = fc.constantFrom('POST', 'OPTIONS', 'PUT')
    await fc.assert(
      fc.asyncProperty(method, fc.dictionary(name, value), body, async (given, headers, content) => {
        let request: Request
        try {
          request = new Request('http://x/', { method: given, headers, body: given === 'OPTIONS' ? null : content })
        } catch {
          // No request that the Fetch API knows.
          return
        }
        const { status } = await receive(request)
        assert.ok([204, 400, 403, 405, 413, 415, 422].includes(status), String(status))
      }),
      { numRuns: 2_000 },
    )
  })
})
