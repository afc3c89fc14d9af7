import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { type AddressInfo, createServer, type LookupFunction, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { SendResult } from '../../src/backend/backend.ts'
import { OutageError, RetryAfterError } from '../../src/backend/send-error.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { parseRetryAfter } from '../../src/webhook/retry-after.ts'
import type { WebhookOptions } from '../../src/webhook/webhook.ts'
import { root } from '../project/source-files.ts'
import { Receiver } from './receiver.ts'
import { selfSigned, skipWithoutOpenssl } from './self-signed.ts'
import { errorOf, kindOf, never, withBackend, withReceiver } from './webhook-steps.ts'

type Kind = 'ok' | 'failure' | 'permanent' | 'outage' | 'not-attempted'
/** What a line means for a fixed `url` and for a `url` function. */
type Meaning = readonly [fixed: Kind, each: Kind]

const lines = new Map<string, Meaning>()

/** A line of the table in docs/backends/webhook.md: provoked with a fixed `url` and with a `url` function. */
function line(
  name: string,
  meaning: Meaning,
  provoke: (t: TestContext, urlFor: (url: string) => WebhookOptions['url'], kind: Kind) => Promise<void>,
  skip: string | false = false,
): void {
  lines.set(name, meaning)
  const ways = [(url: string) => url, (url: string) => () => url]
  ways.forEach((urlFor, n) => {
    const kind = meaning[n] ?? 'ok'
    test(`${name}; ${n === 0 ? 'fixed url' : 'url function'}: ${kind}`, { skip }, (t) => provoke(t, urlFor, kind))
  })
}

/** Sends one event to a receiver that is told what to answer. */
function answered(
  name: string,
  meaning: Meaning,
  statuses: readonly number[],
  check: (result: SendResult | undefined, kind: Kind) => void = () => undefined,
): void {
  line(name, meaning, (_t, urlFor, kind) =>
    withReceiver({}, async (receiver) => {
      await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true }, async (backend) => {
        for (const status of statuses) {
          receiver.reply = (_request, response) =>
            void response
              .writeHead(status, { 'retry-after': '7', location: 'http://us:hush@x.test/there?t=hush' })
              .end('because')
          const [result] = await backend.send([sampleEvent()], never)
          assert.equal(kindOf(result), kind, String(status))
          if (kind !== 'ok') assert.match(String(errorOf(result)), new RegExp(`answered ${status}: because`))
          check(result, kind)
        }
      })
    }),
  )
}

const waits = (result: SendResult | undefined): void => {
  const error = errorOf(result)
  assert.ok(error instanceof OutageError || error instanceof RetryAfterError)
  assert.equal(error.retryAfter, 7_000)
}

describe('webhook: each line of the error table: answers', () => {
  answered('2xx', ['ok', 'ok'], [200, 201, 202, 204, 299])
  answered('3xx', ['outage', 'failure'], [300, 301, 302, 307, 308], (result) => {
    assert.match(String(errorOf(result)), /sends us to http:\/\/x\.test\/there, which is not followed/)
    assert.doesNotMatch(String(errorOf(result)), /hush/)
  })
  answered('401, 403, 407', ['outage', 'failure'], [401, 403, 407])
  answered('408, 425', ['failure', 'failure'], [408, 425], waits)
  answered('410', ['outage', 'permanent'], [410], (result, kind) => {
    const error = errorOf(result)
    if (kind === 'outage') assert.ok(error instanceof OutageError && error.retryAfter === 60_000)
  })
  answered('413', ['permanent', 'permanent'], [413])
  answered('429', ['outage', 'outage'], [429], waits)
  answered('400, 404, 409, 415, 422, any other 4xx', ['permanent', 'permanent'], [400, 404, 409, 415, 422, 451])
  answered('502, 503, 504', ['outage', 'outage'], [502, 503, 504], waits)
  line(
    '502 or 504, but a HEAD is answered without an outage; 403, but a HEAD with a 2xx',
    ['failure', 'failure'],
    (_t, urlFor, kind) =>
      withReceiver({}, async (receiver) => {
        const poison = sampleEvent()
        const url = urlFor(receiver.url)
        for (const mode of ['structured', 'batch'] as const) {
          const options = { url, allowPrivateNetworks: true, mode }
          await withBackend(options, async (backend) => {
            for (const [status, head] of [
              [502, 405],
              [504, 200],
              [403, 204],
            ] as const) {
              receiver.reply = ({ method, body }, response) => {
                const good = method === 'HEAD' ? head : 204
                const refused = body.includes(poison.id)
                response.writeHead(refused ? status : good, refused ? { 'retry-after': '7' } : {}).end()
              }
              const results = await backend.send([poison, sampleEvent()], never)
              assert.deepEqual(results.map(kindOf), [kind, 'ok'], `${mode} ${status}`)
              waits(results[0])
            }
          })
        }
      }),
  )
  test('a HEAD that anybody may ask says nothing of a 403, and one that is an outage nothing of a 502', () =>
    withReceiver({}, async (receiver) => {
      await withBackend({ url: receiver.url, allowPrivateNetworks: true }, async (backend) => {
        for (const [status, head] of [
          [403, 404],
          [403, 405],
          [502, 503],
          [503, 200],
          [401, 200],
          [429, 200],
        ] as const) {
          receiver.reply = ({ method }, response) => void response.writeHead(method === 'HEAD' ? head : status).end()
          assert.deepEqual((await backend.send([sampleEvent()], never)).map(kindOf), ['outage'], `${status} ${head}`)
        }
      })
    }))
  line('101, or another switch of protocols', ['permanent', 'permanent'], async (t, urlFor, kind) => {
    let held = 0
    const left: Promise<unknown>[] = []
    const url = await tcpServer(t, (socket) => {
      socket.on('data', (data: Buffer) => {
        if (data.toString().includes('"id":"other"')) {
          return void socket.write('HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n')
        }
        held++
        // The connection stays open on this side, and is good for nothing.
        left.push(once(socket, 'end', { signal: AbortSignal.timeout(5_000) }))
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      })
    })
    for (const mode of ['structured', 'binary', 'batch'] as const) {
      await withBackend({ url: urlFor(url), allowPrivateNetworks: true, mode, timeout: 60_000 }, async (backend) => {
        assert.deepEqual((await backend.send([sampleEvent()], never)).map(kindOf), [kind], mode)
        await Promise.all(left.splice(0))
        if (mode !== 'structured') return
        const events = [sampleEvent(), sampleEvent({ eventId: 'other' })]
        assert.deepEqual((await backend.send(events, never)).map(kindOf), [kind, 'ok'])
        if (kind !== 'permanent' || typeof urlFor(url) === 'function') return
        assert.equal((await backend.healthCheck(never)).healthy, true)
      })
    }
    assert.ok(held > 0)
  })
  answered('500, 501, any other 5xx', ['failure', 'failure'], [500, 501, 505, 520], waits)

  line('a body that is long, or never ends', ['ok', 'ok'], (_t, urlFor) =>
    withReceiver({}, async (receiver) => {
      await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true, timeout: 60_000 }, async (backend) => {
        for (const status of [200, 500]) {
          let closed: Promise<unknown> | undefined
          receiver.reply = (_request, response) => {
            closed = once(response, 'close')
            response.writeHead(status)
            const pour = (): void => {
              while (!response.destroyed && response.write('y'.repeat(10_000)));
            }
            response.on('drain', pour)
            pour()
          }
          const [result] = await backend.send([sampleEvent()], never)
          assert.equal(kindOf(result), status === 200 ? 'ok' : 'failure')
          await closed
        }
        // Silent after its status: the connection is given up, and not left open for ever.
        let closed: Promise<unknown> | undefined
        receiver.reply = (_request, response) => {
          closed = once(response, 'close')
          response.writeHead(200).write('{')
        }
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
        await closed
      })
      receiver.reply = (_request, response) => void response.writeHead(422).write('because')
      await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true, timeout: 1_000 }, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), 'permanent')
        assert.match(String(errorOf(result)), /answered 422: because/)
      })
    }),
  )
})

/** A TCP server that does as it is told with each connection. */
async function tcpServer(t: TestContext, serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const answerHead = (data: Buffer, socket: Socket): boolean => {
  if (!data.toString().startsWith('HEAD')) return false
  socket.write('HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n')
  return true
}

describe('webhook: each line of the error table: no answer', () => {
  line('no connection', ['outage', 'outage'], async (_t, urlFor, kind) => {
    const receiver = await Receiver.start()
    const gone = receiver.url
    await receiver.stop()
    const lookup: LookupFunction = (hostname, _options, callback) =>
      callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), '')
    for (const url of [gone, 'http://nowhere.example/']) {
      await withBackend({ url: urlFor(url), allowPrivateNetworks: true, lookup }, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        assert.match(String(errorOf(result)), /no answer from .*(ECONNREFUSED|ENOTFOUND)/)
      })
    }
  })

  line(
    'TLS fails, as with an unknown authority',
    ['outage', 'outage'],
    async (t, urlFor, kind) => {
      const { key, cert } = selfSigned('stranger')
      const receiver = await Receiver.start({ key, cert })
      t.after(() => receiver.stop())
      const url = urlFor(receiver.url)
      await withBackend({ url, allowPrivateNetworks: true }, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        assert.match(String(errorOf(result)), /self-signed certificate/)
      })
      assert.equal(receiver.requests.length, 0)
      await withBackend({ url, allowPrivateNetworks: true, tls: { ca: cert } }, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
      })
      // The name is checked too.
      const other = urlFor(receiver.url.replace('127.0.0.1', 'localhost'))
      await withBackend({ url: other, allowPrivateNetworks: true, tls: { ca: cert } }, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), kind)
      })
      assert.equal(receiver.requests.length, 1)
    },
    skipWithoutOpenssl(),
  )

  const cuts: Readonly<Record<string, (socket: Socket) => void>> = {
    reset: (socket) => void socket.resetAndDestroy(),
    closed: (socket) => void socket.end(),
    'no HTTP': (socket) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n'),
  }
  line(
    'cut off without an answer, or with one that is not HTTP; a HEAD too',
    ['outage', 'outage'],
    async (t, urlFor, kind) => {
      for (const [how, cut] of Object.entries(cuts)) {
        const url = await tcpServer(t, (socket) => socket.once('data', () => cut(socket)))
        await withBackend({ url: urlFor(url), allowPrivateNetworks: true }, async (backend) => {
          assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), kind, how)
        })
      }
    },
  )
  line('the same, but a HEAD is answered', ['failure', 'failure'], async (t, urlFor, kind) => {
    for (const [how, cut] of Object.entries(cuts)) {
      const url = await tcpServer(t, (socket) => {
        socket.on('data', (data: Buffer) => void (answerHead(data, socket) || cut(socket)))
      })
      await withBackend({ url: urlFor(url), allowPrivateNetworks: true }, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), kind, how)
      })
    }
  })

  line('no answer in time; to a HEAD neither', ['outage', 'outage'], async (t, urlFor, kind) => {
    // It takes the connection and reads: its other end may be gone, and nobody told us.
    const url = await tcpServer(t, (socket) => socket.resume())
    await withBackend({ url: urlFor(url), allowPrivateNetworks: true, timeout: 100 }, async (backend) => {
      const results = await backend.send(sampleEvents(3), never)
      assert.deepEqual(results.map(kindOf), [kind, kind, kind])
    })
  })
  line(
    'no answer in time, but others were answered meanwhile, or a HEAD is',
    ['failure', 'failure'],
    (_t, urlFor, kind) =>
      withReceiver({}, async (receiver) => {
        const slow = sampleEvent()
        receiver.reply = (request, response) => {
          if (!request.body.includes(slow.id)) response.writeHead(204).end()
        }
        await withBackend(
          { url: urlFor(receiver.url), allowPrivateNetworks: true, timeout: 1_000 },
          async (backend) => {
            assert.deepEqual((await backend.send([slow], never)).map(kindOf), [kind])
            assert.deepEqual((await backend.send([slow, sampleEvent()], never)).map(kindOf), [kind, 'ok'])
          },
        )
      }),
  )

  line('an address in a private network that may not be used', ['outage', 'permanent'], (_t, urlFor, kind) =>
    withReceiver({}, async (receiver) => {
      receiver.reply = (_request, response) =>
        void response.writeHead(307, { location: receiver.url.replace('127.0.0.1', 'localhost') }).end()
      // A fixed url is trusted: it gets there by a redirect.
      await withBackend({ url: urlFor(receiver.url), followRedirects: true }, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        assert.match(String(errorOf(result)), /private network/)
      })
      assert.equal(receiver.requests.length, kind === 'outage' ? 1 : 0)
    }),
  )
})

describe('webhook: each line of the error table: before and beside the request', () => {
  line('the handshake does not permit', ['outage', 'failure'], (_t, urlFor, kind) =>
    withReceiver({}, async (receiver) => {
      const handshake = { origin: 'sender.example' }
      receiver.reply = (_request, response) => void response.writeHead(204).end()
      await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true, handshake }, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        assert.match(String(errorOf(result)), /does not permit events from sender.example/)
      })
      assert.equal(receiver.requests.length, 0)
    }),
  )
  line('the handshake is not answered', ['outage', 'outage'], async (t, urlFor, kind) => {
    const receiver = await Receiver.start()
    const gone = receiver.url
    await receiver.stop()
    const silent = await tcpServer(t, (socket) => socket.resume())
    for (const url of [gone, silent]) {
      const handshake = { origin: 'sender.example' }
      const options = { url: urlFor(url), allowPrivateNetworks: true, handshake, timeout: 300 }
      await withBackend(options, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), kind)
      })
    }
  })
  line(
    'the `headers` function throws, does not end, or returns what HTTP cannot carry',
    ['outage', 'outage'],
    (_t, urlFor, kind) =>
      withReceiver({}, async (receiver) => {
        const wrong: readonly (() => unknown)[] = [
          () => assert.fail('no token'),
          () => ({ authorization: 'two\nlines' }),
          () => ({ 'webhook-signature': 'mine' }),
          () => undefined,
          () => Promise.reject(new Error('no token')),
          () => new Promise(() => undefined),
        ]
        for (const headers of wrong) {
          const options = {
            url: urlFor(receiver.url),
            allowPrivateNetworks: true,
            headers,
            timeout: 300,
          } as WebhookOptions
          await withBackend(options, async (backend) => {
            assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), kind)
          })
        }
        assert.equal(receiver.requests.length, 0)
      }),
  )
  line('the package `standardwebhooks` is missing', ['outage', 'outage'], (_t, urlFor, kind) =>
    withReceiver({}, async (receiver) => {
      const hooks = registerHooks({
        resolve(specifier, context, next) {
          return next(specifier === 'standardwebhooks' ? 'a-package-that-is-not-installed' : specifier, context)
        },
      })
      const keys = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
      try {
        await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true, keys }, async (backend) => {
          const [result] = await backend.send([sampleEvent()], never)
          assert.equal(kindOf(result), kind)
          assert.match(String(errorOf(result)), /npm install standardwebhooks/)
          await assert.rejects(async () => backend.connect?.(never), { code: 'MISSING_DEPENDENCY' })
        })
      } finally {
        hooks.deregister()
      }
      assert.equal(receiver.requests.length, 0)
    }),
  )
  line('the `keys` function gives no key', ['failure', 'failure'], (_t, urlFor, kind) =>
    withReceiver({}, async (receiver) => {
      const options = { url: urlFor(receiver.url), allowPrivateNetworks: true, keys: () => 'whsec_hush' }
      await withBackend(options, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        assert.doesNotMatch(String(errorOf(result)), /hush/)
      })
      assert.equal(receiver.requests.length, 0)
    }),
  )
  line(
    'the event cannot be written as a request, or `url` gives no address',
    ['permanent', 'permanent'],
    async (_t, urlFor, kind) => {
      const unwritable = sampleEvent()
      Object.defineProperty(unwritable, 'toEncodable', { value: () => assert.fail('no') })
      await withReceiver({}, async (receiver) => {
        await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true }, async (backend) => {
          assert.deepEqual((await backend.send([unwritable, sampleEvent()], never)).map(kindOf), [kind, 'ok'])
        })
      })
      await withBackend({ url: () => 'ftp://x' }, async (backend) => {
        assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), kind)
      })
    },
  )
  line(
    'a header that HTTP cannot carry, or one in binary mode beyond ASCII',
    ['permanent', 'permanent'],
    (_t, urlFor, kind) =>
      withReceiver({}, async (receiver) => {
        const hostile = [
          { dataContentType: 'text/plain; title="日本"' },
          { dataContentType: 'text/plain; title="é"' },
          { dataContentType: 'text/plain\r\nx-injected: 1' },
          { extensions: '{"a b":"1"}' },
          { extensions: '{"a\\r\\nx-injected":"1"}' },
        ]
        const options = { url: urlFor(receiver.url), allowPrivateNetworks: true, mode: 'binary' } as const
        await withBackend(options, async (backend) => {
          for (const columns of hostile) {
            const results = await backend.send([sampleEvent(columns), sampleEvent()], never)
            assert.deepEqual(results.map(kindOf), [kind, 'ok'], JSON.stringify(columns))
          }
        })
        // As an attribute of its own each is percent-encoded, so a column that SQL wrote does no harm.
        const event = sampleEvent({ subject: 'a\r\nx-injected: 1', eventType: '日本\0' })
        await withBackend(options, async (backend) => {
          assert.deepEqual((await backend.send([event], never)).map(kindOf), ['ok'])
        })
        for (const { headers } of receiver.requests) assert.equal(headers['x-injected'], undefined)
        assert.equal(receiver.requests.length, hostile.length + 1)
      }),
  )
  line('the `url` or `keys` function throws', ['failure', 'failure'], async (_t, urlFor, kind) => {
    const unreachable = (): never => {
      throw Object.assign(new Error('no address book'), { code: 'ECONNREFUSED' })
    }
    await withReceiver({}, async (receiver) => {
      const url = urlFor(receiver.url)
      const options =
        typeof url === 'function' ? { url: unreachable } : { url, keys: unreachable, allowPrivateNetworks: true }
      await withBackend(options, async (backend) => {
        const [result] = await backend.send([sampleEvent()], never)
        assert.equal(kindOf(result), kind)
        assert.match(String(errorOf(result)), /function of webhook\(\) threw: no address book/)
      })
      assert.equal(receiver.requests.length, 0)
    })
  })
  line('the send is aborted', ['not-attempted', 'not-attempted'], (_t, urlFor, kind) =>
    withReceiver({}, async (receiver) => {
      const stop = new AbortController()
      receiver.reply = () => stop.abort()
      await withBackend({ url: urlFor(receiver.url), allowPrivateNetworks: true }, async (backend) => {
        const results = await backend.send(sampleEvents(3, 1), stop.signal)
        assert.deepEqual(results.map(kindOf), [kind, kind, kind])
      })
    }),
  )
})

test('docs/backends/webhook.md has exactly these lines', () => {
  const page = readFileSync(join(root, 'docs/backends/webhook.md'), 'utf8')
  const [, after = ''] = page.split('## Errors\n')
  const [table = ''] = after.split('\n## ')
  const rows = table
    .split('\n')
    .filter((row) => row.startsWith('| ') && !row.startsWith('| what happens'))
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .map(([, name, fixed = '', each = '']) => [name, fixed.split(/[,;:]/)[0], each.split(/[,;:]/)[0]].join(' | '))
  const words: Readonly<Record<Kind, string>> = {
    ok: 'delivered',
    failure: 'failure',
    permanent: 'permanent',
    outage: 'outage',
    'not-attempted': 'not attempted',
  }
  const real = [...lines].map(([name, [fixed, each]]) => [name, words[fixed], words[each]].join(' | '))
  assert.deepEqual(rows.toSorted(), real.toSorted())
})

test('Retry-After is seconds or an HTTP date by the clock of the destination', () => {
  const date = 'Wed, 21 Oct 2015 07:28:00 GMT'
  assert.equal(parseRetryAfter('120', undefined), 120_000)
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:28:30 GMT', date), 30_000)
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:27:00 GMT', date), 0)
  assert.equal(parseRetryAfter('99999999', date), 86_400_000)
  for (const nonsense of [undefined, '', '-1', '1.5', 'soon', '2015-10-21']) {
    assert.equal(parseRetryAfter(nonsense, date), undefined)
  }
})

test('a large event that is refused while it is still being sent is no outage', async (t) => {
  const url = await tcpServer(t, (socket) => {
    socket.on('data', (data: Buffer) => {
      if (answerHead(data, socket)) return
      socket.pause()
      socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n', () => socket.destroy())
    })
  })
  await withBackend({ url, maxEventBytes: 2 ** 25 }, async (backend) => {
    const large = sampleEvent({ data: JSON.stringify('x'.repeat(2 ** 24)) })
    // The answer may be lost with the connection; an outage would hold up all other events for ever.
    for (let n = 0; n < 5; n++) {
      assert.match(String(kindOf((await backend.send([large], never))[0])), /^(permanent|failure)$/)
    }
  })
})

test('the text of an answer is readable, on one line, and harmless to a terminal', () =>
  withReceiver({}, async (receiver, backend) => {
    const messages: string[] = []
    const bodies: readonly (readonly [Buffer | string, string | undefined])[] = [
      [gzipSync('the reason in gzip'), 'gzip'],
      [deflateSync('the reason in deflate'), 'deflate'],
      [brotliCompressSync('the reason in br'), 'br'],
      // Cut off by its server: what came is read.
      [gzipSync('the reason, '.repeat(2_000)).subarray(0, 60), 'gzip'],
      // A megabyte of spaces, and what says that it is gzip and is not.
      [gzipSync(' '.repeat(2 ** 20)), 'gzip'],
      ['plain', 'gzip'],
      ['odd', 'zstd'],
      ['\u001b[2J\u009b31mred\r\nline\u2028\u202etxt.exe\u0000', undefined],
      [`\u{1f600}${'x'.repeat(199)}`, undefined],
    ]
    for (const [body, encoding] of bodies) {
      receiver.reply = (_request, response) => {
        response.writeHead(422, encoding === undefined ? {} : { 'content-encoding': encoding }).end(body)
      }
      messages.push(String(errorOf((await backend.send([sampleEvent()], never))[0])))
    }
    const [gzip, deflate, brotli, cut, bomb, plain, odd, escapes, emoji] = messages
    assert.match(gzip ?? '', /answered 422: the reason in gzip$/)
    assert.match(deflate ?? '', /answered 422: the reason in deflate$/)
    assert.match(brotli ?? '', /answered 422: the reason in br$/)
    assert.match(cut ?? '', /answered 422: .*the reason, /)
    assert.match(bomb ?? '', /answered 422: \(\d+ bytes in gzip\)$/)
    assert.match(plain ?? '', /answered 422: \(5 bytes in gzip\)$/)
    assert.match(odd ?? '', /answered 422: \(3 bytes in zstd\)$/)
    assert.match(escapes ?? '', /answered 422: \[2J 31mred line txt\.exe$/)
    for (const message of messages) {
      assert.doesNotMatch(message, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      assert.ok(message.isWellFormed())
    }
    assert.match(emoji ?? '', /x{199}$/)
  }))
