import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes, verify as verifyWith } from 'node:crypto'
import { describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { verifyWebhook, WebhookSignatureError } from '../../src/webhook/verify-webhook.ts'
import { type WebhookOptions, webhook } from '../../src/webhook/webhook.ts'
import type { ReceivedRequest } from './receiver.ts'
import { errorOf, never, withReceiver } from './webhook-steps.ts'

const newSecret = (bytes = 32): string => `whsec_${randomBytes(bytes).toString('base64')}`

/** An ed25519 pair as Standard Webhooks writes it. */
function newPair(): { readonly whsk: string; readonly whpk: string; readonly long: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  return {
    whsk: `whsk_${seed.toString('base64')}`,
    whpk: `whpk_${point.toString('base64')}`,
    long: `whsk_${Buffer.concat([seed, point]).toString('base64')}`,
  }
}

/** The requests of a send. */
async function requestsOf(
  options: Partial<WebhookOptions>,
  events: readonly OutgoingEvent[] = [sampleEvent()],
): Promise<readonly ReceivedRequest[]> {
  let requests: readonly ReceivedRequest[] = []
  await withReceiver(options, async (receiver, backend) => {
    for (const result of await backend.send(events, never)) assert.equal(errorOf(result), undefined)
    requests = receiver.requests
  })
  return requests
}

async function requestOf(options: Partial<WebhookOptions>): Promise<ReceivedRequest> {
  const [request] = await requestsOf(options)
  assert.ok(request)
  return request
}

const headersOf = ({ headers }: ReceivedRequest) => headers as Record<string, string>
const verifies = (keys: string | readonly string[], { headers, body }: ReceivedRequest, now?: number): boolean => {
  try {
    verifyWebhook({ keys, headers, body, ...(now === undefined ? {} : { now }) })
    return true
  } catch (error) {
    assert.ok(error instanceof WebhookSignatureError)
    return false
  }
}

describe('webhook: signatures', () => {
  test('whsec_: the library of Standard Webhooks verifies ours, and we verify its own', async () => {
    const secret = newSecret()
    for (const mode of ['structured', 'batch'] as const) {
      const request = await requestOf({ keys: secret, mode })
      const parsed = new Webhook(secret).verify(request.body, headersOf(request))
      assert.deepEqual(parsed, JSON.parse(request.body.toString()))
      assert.throws(() => new Webhook(newSecret()).verify(request.body, headersOf(request)))
      assert.ok(verifies(secret, request))
      assert.ok(!verifies(newSecret(), request))
    }
    const now = new Date()
    const body = '{"schön":1}'
    const headers = {
      'Webhook-Id': 'msg_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': `v2,zzz v1,${Buffer.alloc(32).toString('base64')} ${new Webhook(secret).sign('msg_1', now, body)}`,
    }
    assert.equal(verifyWebhook({ keys: secret, headers, body }).id, 'msg_1')
    assert.throws(() => verifyWebhook({ keys: secret, headers, body: `${body} ` }), WebhookSignatureError)
  })

  test('whsk_ signs v1a, as node:crypto sees it; its public key verifies, another does not', async () => {
    const pair = newPair()
    for (const key of [pair.whsk, pair.long]) {
      const request = await requestOf({ keys: key })
      const [version, signature = ''] = String(request.headers['webhook-signature']).split(',')
      assert.equal(version, 'v1a')
      const { 'webhook-id': id, 'webhook-timestamp': time } = request.headers
      const point = Buffer.from(pair.whpk.slice(5), 'base64').toString('base64url')
      const publicKey = { key: { kty: 'OKP', crv: 'Ed25519', x: point }, format: 'jwk' } as const
      assert.ok(
        verifyWith(null, Buffer.from(`${id}.${time}.${request.body}`), publicKey, Buffer.from(signature, 'base64')),
      )
      assert.ok(verifies(pair.whpk, request))
      assert.ok(!verifies(newPair().whpk, request))
    }
  })

  test('the vector of the specification of Standard Webhooks', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }
    const body = '{"test": 2432232314}'
    const verified = verifyWebhook({
      keys: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      headers,
      body,
      now: 1_614_265_330_000,
    })
    assert.deepEqual(verified, { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330_000 })
  })

  test('rotation: one signature for each key, the newest first; each of them verifies alone', async () => {
    const [newest, older] = [newSecret(), newSecret(64)]
    const { whsk, whpk } = newPair()
    const request = await requestOf({ keys: [newest, whsk, older] })
    const signatures = String(request.headers['webhook-signature']).split(' ')
    assert.deepEqual(
      signatures.map((one) => one.split(',')[0]),
      ['v1', 'v1a', 'v1'],
    )
    for (const key of [newest, whpk, older]) assert.ok(verifies(key, request))
    assert.ok(verifies([newSecret(), older], request))
    assert.ok(!verifies([newSecret(), newPair().whpk], request))
    new Webhook(older).verify(request.body, headersOf(request))
  })

  test('binary mode: bytes that are no text are signed as they are', async () => {
    const secret = newSecret()
    const event = sampleEvent({ data: null, dataBinary: Uint8Array.of(0, 0xff, 0xfe, 1), dataContentType: 'image/png' })
    const [request] = await requestsOf({ keys: secret, mode: 'binary' }, [event])
    assert.ok(request)
    assert.equal(request.body.length, 4)
    assert.ok(verifies(secret, request))
    assert.ok(!verifies(secret, { ...request, body: Buffer.from([0, 0xfe, 0xfe, 1]) }))
    const [empty] = await requestsOf({ keys: secret, mode: 'binary' }, [sampleEvent({ data: null })])
    assert.ok(empty)
    assert.ok(verifies(secret, empty))
  })

  test('the id is that of the row at each attempt, the time is that of the attempt', () =>
    withReceiver({ keys: newSecret() }, async (receiver, backend) => {
      receiver.reply = (_request, response) => void response.writeHead(500).end()
      const event = sampleEvent()
      const before = Math.floor(Date.now() / 1000)
      await backend.send([event], never)
      await backend.send([event], never)
      const ids = receiver.requests.map(({ headers }) => headers['webhook-id'])
      assert.deepEqual(ids, [event.id, event.id])
      for (const { headers } of receiver.requests) {
        const time = Number(headers['webhook-timestamp'])
        assert.ok(time >= before && time <= Math.ceil(Date.now() / 1000))
      }
    }))

  test('ids: a batch has that of its content; one with a full stop is replaced, or another text could be signed the same', async () => {
    const keys = newSecret()
    const events = sampleEvents(3)
    const [first] = await requestsOf({ keys, mode: 'batch' }, events)
    const [again] = await requestsOf({ keys, mode: 'batch' }, events)
    const [other] = await requestsOf({ keys, mode: 'batch' }, events.slice(1))
    assert.match(String(first?.headers['webhook-id']), /^batch_/)
    assert.equal(first?.headers['webhook-id'], again?.headers['webhook-id'])
    assert.notEqual(first?.headers['webhook-id'], other?.headers['webhook-id'])
    const [dotted] = await requestsOf({ keys }, [sampleEvent({ id: 'a.b' })])
    assert.match(String(dotted?.headers['webhook-id']), /^event_[\w-]+$/)
  })

  test('a function gives the keys of each destination', () =>
    withReceiver({}, async (receiver) => {
      const [a, b] = [newSecret(), newSecret()]
      for (const mode of ['structured', 'batch'] as const) {
        receiver.requests.length = 0
        const backend = webhook({
          url: receiver.url,
          mode,
          keys: ({ subject }) => (subject === 'a' ? [a] : subject === 'b' ? [b, a] : []),
        })
        const events = ['a', 'b', 'c'].map((subject) => sampleEvent({ subject }))
        for (const result of await backend.send(events, never)) assert.equal(errorOf(result), undefined)
        await backend.close()
        const bySubject = (subject: string) => {
          const request = receiver.requests.find(({ body }) => body.includes(`"subject":"${subject}"`))
          assert.ok(request)
          return request
        }
        assert.ok(verifies(a, bySubject('a')) && !verifies(b, bySubject('a')))
        assert.ok(verifies(a, bySubject('b')) && verifies(b, bySubject('b')))
        assert.equal(bySubject('c').headers['webhook-signature'], undefined)
      }
    }))
})

describe('verifyWebhook', () => {
  test('a part of a signature is none: not its first byte, nor all but its last, nor more than it', async () => {
    const secret = newSecret()
    const { whsk, whpk } = newPair()
    for (const [signing, verifying] of [
      [secret, secret],
      [whsk, whpk],
    ] as const) {
      const request = await requestOf({ keys: signing })
      const [scheme, text = ''] = String(request.headers['webhook-signature']).split(',')
      const whole = Buffer.from(text, 'base64')
      const withBytes = (bytes: Buffer): ReceivedRequest => ({
        ...request,
        headers: { ...request.headers, 'webhook-signature': `${scheme},${bytes.toString('base64')}` },
      })
      assert.ok(verifies(verifying, withBytes(whole)))
      for (let length = 0; length < whole.length; length++) {
        assert.ok(!verifies(verifying, withBytes(whole.subarray(0, length))), `the first ${length} bytes`)
      }
      assert.ok(!verifies(verifying, withBytes(Buffer.concat([whole, Buffer.alloc(1)]))), 'a byte more')
      for (let byte = 0; byte < 256; byte++) {
        assert.ok(!verifies(verifying, withBytes(Buffer.from([byte]))), `the byte ${byte} alone`)
      }
    }
  })

  test('the tolerance is 5 minutes both ways, and an option', async () => {
    const secret = newSecret()
    const request = await requestOf({ keys: secret })
    const signed = Number(request.headers['webhook-timestamp']) * 1000
    for (const [seconds, good] of [
      [300, true],
      [301, false],
      [-300, true],
      [-301, false],
    ] as const) {
      assert.equal(verifies(secret, request, signed + seconds * 1000), good, `${seconds} s`)
    }
    const { headers, body } = request
    verifyWebhook({ keys: secret, headers, body, tolerance: 600_000, now: signed + 600_000 })
  })

  test('anything changed, missing or malformed is refused', async () => {
    const secret = newSecret()
    const { whsk, whpk } = newPair()
    const request = await requestOf({ keys: [secret, whsk] })
    assert.ok(verifies([secret, whpk], request))
    const good = headersOf(request)
    const signature = good['webhook-signature'] ?? ''
    const changed: readonly Record<string, string | undefined>[] = [
      { 'webhook-id': `${good['webhook-id']}x` },
      { 'webhook-timestamp': String(Number(good['webhook-timestamp']) + 1) },
      { 'webhook-timestamp': `${good['webhook-timestamp']}.0` },
      { 'webhook-timestamp': '-1' },
      { 'webhook-timestamp': 'NaN' },
      { 'webhook-signature': '' },
      { 'webhook-signature': 'v1,' },
      { 'webhook-signature': 'v1a,AAAA' },
      { 'webhook-signature': signature.replaceAll('v1', 'v9') },
      { 'webhook-signature': signature.replace('v1,', 'v1a,').replace(' v1a,', ' v1,') },
      { 'webhook-signature': `${'v1,x '.repeat(20)}${signature}` },
      ...Object.keys(good)
        .filter((name) => name.startsWith('webhook-'))
        .map((name) => ({ [name]: undefined })),
    ]
    for (const change of changed) {
      const headers = { ...good, ...change } as Record<string, string>
      assert.ok(!verifies([secret, whpk], { ...request, headers }), JSON.stringify(change))
    }
    assert.ok(!verifies([secret, whpk], { ...request, body: Buffer.concat([request.body, Buffer.from(' ')]) }))
  })

  test('keys that are none are refused without being shown', () => {
    const wrong: readonly (readonly [string | readonly string[], RegExp])[] = [
      [[], /keys\[0\] is missing/],
      ['hush', /must begin with whsec_/],
      [`whsec_${'hush'}`, /3 bytes/],
      ['whsec_hush!', /not Base64/],
      [newPair().whsk, /private key \(whsk_\), which a receiver must not have/],
      ['whpk_aGFsbG8=', /5 bytes/],
    ]
    for (const [keys, message] of wrong) {
      assert.throws(
        () => verifyWebhook({ keys, headers: {}, body: '' }),
        (error: Error) => {
          assert.match(error.message, message)
          assert.doesNotMatch(error.message, /hush/)
          return true
        },
      )
    }
  })

  test("a sender's keys are checked when the backend is made, and never shown", () => {
    const { whsk, whpk, long } = newPair()
    const mixed = `${long.slice(0, 50)}${newPair().long.slice(50)}`
    for (const [keys, message] of [
      [whpk, /public key \(whpk_\), which cannot sign/],
      [['whsec_aHVzaA==', whsk], /keys\[0\] is a secret of 4 bytes/],
      [[], /keys is an empty list/],
      [mixed, /second half is not its public key/],
    ] as const) {
      assert.throws(
        () => webhook({ url: 'http://x.example/', keys }),
        (error: Error & { value?: unknown }) => {
          assert.match(error.message, message)
          assert.doesNotMatch(error.message, /aHVzaA/)
          assert.equal(error.value, undefined)
          return true
        },
      )
    }
    assert.throws(
      () => webhook({ url: 'http://x.example/', key: 'hush' } as never),
      (error: Error) => {
        assert.match(error.message, /did you mean "keys"/)
        assert.doesNotMatch(error.message, /hush/)
        return true
      },
    )
  })
})
