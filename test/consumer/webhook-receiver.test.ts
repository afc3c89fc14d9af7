import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { OutageError, PermanentError, RetryAfterError } from '../../src/backend/send-error.ts'
import type { CloudEvent } from '../../src/event/cloud-event.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { toCloudEvent } from '../../src/event/encodable.ts'
import { encodeStructured } from '../../src/event/structured.ts'
import { toNodeListener } from '../../src/foundation/node-listener.ts'
import { Inbox } from '../../src/inbox/inbox.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { type WebhookReceiverOptions, webhookReceiver } from '../../src/webhook/webhook-receiver.ts'
import { errorOf, kindOf, never } from '../backend/webhook-steps.ts'
import { STORES } from '../support/stores.ts'

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`
const secret = newSecret()
const jsonType = { 'content-type': 'application/cloudevents+json' }

/** A receiver behind `node:http`. */
async function listening(t: TestContext, options: Partial<WebhookReceiverOptions>): Promise<string> {
  const given = { name: 'billing', keys: secret, handlers: { '*': () => undefined }, ...options }
  const complete = given.store === undefined && given.inbox === undefined ? { ...given, store: memoryStore() } : given
  const server = createServer(toNodeListener(webhookReceiver(complete as WebhookReceiverOptions)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`
}

/** A sender of ours to it. */
function sender(t: TestContext, url: string, options: Partial<Parameters<typeof webhook>[0]> = {}) {
  const backend = webhook({ url, keys: secret, ...options })
  t.after(() => backend.close())
  return backend
}

/** Headers of a body that the library of Standard Webhooks signed. */
function signed(body: string, { key = secret, at = new Date(), id = 'msg_1' } = {}): Record<string, string> {
  const signature = new Webhook(key).sign(id, at, body)
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': signature,
    ...jsonType,
  }
}

const post = (url: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
  fetch(url, { method: 'POST', body, headers })
const structured = (event = sampleEvent()): string => encodeStructured(event.toEncodable())

/** What is heard of a signal until the test ends. */
function hear(t: TestContext, name: Parameters<typeof onSignal>[0]): Record<string, unknown>[] {
  const heard: Record<string, unknown>[] = []
  t.after(onSignal(name, (message) => heard.push({ ...message })))
  return heard
}

describe('webhook receiver: from our backend to the handlers', () => {
  for (const mode of ['structured', 'batch', 'binary'] as const) {
    test(`${mode}: each event arrives as it was, once and in order per key`, async (t) => {
      const seen: CloudEvent[] = []
      const handlers = { '*': (event: DeliveryEvent) => void seen.push(event.toCloudEvent()) }
      const url = await listening(t, { handlers, binary: true })
      const backend = sender(t, url, { mode })
      const events = sampleEvents(60, 4)
      for (const _again of [1, 2]) {
        for (const result of await backend.send(events, never)) assert.equal(errorOf(result), undefined)
      }
      assert.equal(seen.length, 60)
      for (const key of new Set(events.map(({ partitionKey }) => partitionKey))) {
        assert.deepEqual(
          seen.filter((event) => event['partitionkey'] === key),
          events.filter(({ partitionKey }) => partitionKey === key).map((event) => toCloudEvent(event.toEncodable())),
        )
      }
    })
  }

  test('what the sender makes of each answer', async (t) => {
    let thrown: unknown
    const handlers = {
      '*': () => {
        if (thrown !== undefined) throw thrown
      },
    }
    const url = await listening(t, { handlers })
    const backend = sender(t, url)
    const kindAfter = async (error: unknown) => {
      thrown = error
      const [result] = await backend.send([sampleEvent()], never)
      return { kind: kindOf(result), retryAfter: (errorOf(result) as { retryAfter?: number } | undefined)?.retryAfter }
    }
    assert.equal((await kindAfter(undefined)).kind, 'ok')
    assert.deepEqual(await kindAfter(new Error('no')), { kind: 'failure', retryAfter: 1_000 })
    assert.deepEqual(await kindAfter(new RetryAfterError('no', { retryAfter: 4_500 })), {
      kind: 'failure',
      retryAfter: 5_000,
    })
    assert.deepEqual(await kindAfter(new OutageError('no', { retryAfter: 7_000 })), {
      kind: 'outage',
      retryAfter: 7_000,
    })
    assert.equal((await kindAfter(new PermanentError('no'))).kind, 'permanent')
    assert.equal(kindOf((await sender(t, url, { keys: newSecret() }).send([sampleEvent()], never))[0]), 'outage')
    assert.equal(kindOf((await sender(t, url, { mode: 'binary' }).send([sampleEvent()], never))[0]), 'permanent')
    assert.equal((await backend.healthCheck(never)).healthy, true)
  })

  test('a bad event of a batch fails by itself; its neighbours are handled once', async (t) => {
    const handled: string[] = []
    const events = sampleEvents(8)
    const bad = events[3]?.id
    const handlers = {
      '*': ({ id }: { readonly id: string }) => {
        if (id === bad) throw new PermanentError('never')
        handled.push(id)
      },
    }
    const url = await listening(t, { handlers })
    const kinds = (await sender(t, url, { mode: 'batch' }).send(events, never)).map(kindOf)
    assert.deepEqual(kinds, ['ok', 'ok', 'ok', 'permanent', 'ok', 'ok', 'ok', 'ok'])
    assert.deepEqual(handled.toSorted(), events.flatMap(({ id }) => (id === bad ? [] : [id])).toSorted())
  })

  test('the handshake: permission, the agreed rate, and refusal', async (t) => {
    const url = await listening(t, { allowedOrigins: ['Partner.example'], allowedRate: 60_000 })
    const backend = sender(t, url, { handshake: { origin: 'partner.example', rate: 120_000 } })
    await backend.connect?.(never)
    assert.equal(kindOf((await backend.send([sampleEvent()], never))[0]), 'ok')
    const other = sender(t, url, { handshake: { origin: 'other.example' } })
    assert.equal(kindOf((await other.send([sampleEvent()], never))[0]), 'outage')
    const ask = (headers: Record<string, string>) => fetch(url, { method: 'OPTIONS', headers })
    const asked = async (headers: Record<string, string>) => {
      const { status, headers: given } = await ask(headers)
      return [status, given.get('webhook-allowed-origin'), given.get('webhook-allowed-rate')]
    }
    assert.deepEqual(await asked({ 'webhook-request-origin': 'partner.example' }), [200, 'partner.example', '60000'])
    const wanted = { 'webhook-request-origin': 'partner.example', 'webhook-request-rate': '30' }
    assert.deepEqual(await asked(wanted), [200, 'partner.example', '30'])
    assert.deepEqual(await asked({ 'webhook-request-origin': 'other.example' }), [403, null, null])
    assert.deepEqual(await asked({}), [204, null, null])
    const open = await listening(t, { allowedOrigins: '*' })
    const answer = await fetch(open, { method: 'OPTIONS', headers: { 'webhook-request-origin': 'any.example' } })
    assert.equal(answer.headers.get('webhook-allowed-origin'), 'any.example')
    assert.equal(answer.headers.get('webhook-allowed-rate'), '*')
    assert.equal(answer.headers.get('allow'), 'POST, OPTIONS')
    const closed = await listening(t, {})
    assert.equal((await fetch(closed, { method: 'OPTIONS', headers: wanted })).status, 405)
  })
})

describe('webhook receiver: once', () => {
  for (const { name, skip, open } of STORES) {
    test(`${name}: many copies at the same time are handled once, and all are answered 204`, { skip }, async (t) => {
      const { store, close } = await open()
      let runs = 0
      const handlers = {
        '*': async () => {
          await new Promise((resolve) => setImmediate(resolve))
          runs++
        },
      }
      const url = await listening(t, { store, handlers })
      const duplicates = hear(t, 'delivery.duplicate')
      const body = structured()
      const copies = Array.from({ length: 8 }, (_, n) => post(url, body, signed(body, { id: `msg_${n}` })))
      assert.deepEqual(new Set((await Promise.all(copies)).map(({ status }) => status)), new Set([204]))
      assert.equal(runs, 1)
      assert.equal(duplicates.length, 7)
      await close()
    })

    test(`${name}: what a failing handler wrote is gone, and the event is handled when it comes again`, {
      skip,
    }, async (t) => {
      const { store, close } = await open()
      let runs = 0
      const inbox = new Inbox({ store })
      const handlers = {
        '*': async (_event: unknown, { tx }: { readonly tx: unknown }) => {
          await inbox.once(tx, 'written by the handler', { source: '/x', id: '1' }, () => undefined)
          if (++runs === 1) throw new Error('first time')
        },
      }
      const url = await listening(t, { store, handlers })
      const retried = hear(t, 'delivery.retried')
      const body = structured()
      const first = await post(url, body, signed(body))
      assert.equal(first.status, 500)
      assert.equal(first.headers.get('retry-after'), '1')
      const entry = { source: '/x', id: '1' }
      const isGone = await store.transaction((tx) => inbox.once(tx, 'written by the handler', entry, () => undefined))
      assert.equal(isGone, true)
      assert.deepEqual(
        [(await post(url, body, signed(body))).status, (await post(url, body, signed(body))).status],
        [204, 204],
      )
      assert.equal(runs, 2)
      assert.equal(retried.length, 1)
      assert.equal(retried[0]?.['delay'], 1_000)
      await close()
    })
  }

  test('what may succeed at once is tried again within the request; a database that is away is an outage', async (t) => {
    let failures = 2
    const store = memoryStore() as Store
    const transaction = <T>(work: (tx: unknown) => Promise<T>): Promise<T> =>
      failures-- > 0 ? Promise.reject(new Error('connection refused')) : store.transaction(work)
    const url = await listening(t, { inbox: new Inbox({ store }), transaction })
    const handled = hear(t, 'delivery.handled')
    const body = structured()
    assert.equal((await post(url, body, signed(body))).status, 204)
    assert.equal(handled[0]?.['attempt'], 3)
    failures = 3
    const other = structured()
    const refused = await post(url, other, signed(other))
    assert.equal(refused.status, 503)
    assert.ok(Number(refused.headers.get('retry-after')) >= 1)
    assert.equal((await post(url, other, signed(other))).status, 204)
  })

  test('inbox: false handles what comes twice twice', async (t) => {
    let runs = 0
    const url = await listening(t, { inbox: false, handlers: { '*': () => void runs++ } })
    const body = structured()
    await post(url, body, signed(body))
    await post(url, body, signed(body))
    assert.equal(runs, 2)
  })

  test('old entries of the inbox are deleted on the way', async (t) => {
    const store = memoryStore() as Store
    const pruned: { readonly age: number; readonly limit: number }[] = []
    const inbox = new Inbox({ store })
    const prune = inbox.prune.bind(inbox)
    inbox.prune = (options = {}) => {
      pruned.push({ age: options.age ?? 0, limit: options.limit ?? 0 })
      return prune(options)
    }
    const transaction = <T>(work: (tx: unknown) => Promise<T>): Promise<T> => store.transaction(work)
    const url = await listening(t, { inbox, transaction, pruneInboxAfter: 5_000 })
    const backend = sender(t, url, { mode: 'batch' })
    await backend.send(sampleEvents(100), never)
    assert.equal(pruned.length, 1)
    assert.equal(pruned[0]?.age, 5_000)
    assert.ok((pruned[0]?.limit ?? 0) >= 200)
  })
})

describe('webhook receiver: who may send', () => {
  test('a wrong, stale or missing signature: 401, and nobody hears of the event', async (t) => {
    let runs = 0
    const url = await listening(t, { handlers: { '*': () => void runs++ } })
    const errors = hear(t, 'consumer.error')
    const body = structured()
    const minutes = (n: number) => new Date(Date.now() - n * 60_000)
    const wrong: readonly Record<string, string>[] = [
      jsonType,
      signed(body, { key: newSecret() }),
      signed(`${body} `),
      signed(body, { at: minutes(6) }),
      signed(body, { at: minutes(-6) }),
      { ...signed(body), 'webhook-id': 'msg_2' },
    ]
    for (const headers of wrong) {
      const answer = await post(url, body, headers)
      assert.equal(answer.status, 401)
      assert.equal(await answer.text(), 'the signature was not verified\n')
    }
    assert.equal(runs, 0)
    assert.equal(errors.length, wrong.length)
    assert.match(String(errors[3]?.['error']), /webhook-timestamp is 36\d s behind/)
    assert.equal((await post(url, body, signed(body, { at: minutes(4) }))).status, 204)
    assert.equal(runs, 1)
    const strict = await listening(t, { tolerance: 60_000 })
    assert.equal((await post(strict, body, signed(body, { at: minutes(4) }))).status, 401)
  })

  test('rotation: old and new keys side by side, on either end; a public key', async (t) => {
    const [old, next] = [newSecret(), newSecret()]
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const raw = (key: typeof privateKey, type: 'pkcs8' | 'spki') =>
      key.export({ format: 'der', type }).subarray(-32).toString('base64')
    const url = await listening(t, { keys: [next, old] })
    const asymmetric = await listening(t, { keys: `whpk_${raw(publicKey, 'spki')}` })
    const whsk = `whsk_${raw(privateKey, 'pkcs8')}`
    for (const [to, keys, kind] of [
      [url, old, 'ok'],
      [url, [next, old], 'ok'],
      [url, next, 'ok'],
      [url, [newSecret(), next], 'ok'],
      [url, newSecret(), 'outage'],
      [url, whsk, 'outage'],
      [asymmetric, whsk, 'ok'],
      [asymmetric, [next, whsk], 'ok'],
      [asymmetric, next, 'outage'],
    ] as const) {
      assert.equal(kindOf((await sender(t, to, { keys }).send([sampleEvent()], never))[0]), kind)
    }
  })

  test('keys: false takes what anybody sends', async (t) => {
    const url = await listening(t, { keys: false })
    assert.equal((await post(url, structured(), jsonType)).status, 204)
    const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/x', 'ce-type': 'a' }
    assert.equal((await post(url, '', binary)).status, 204)
  })

  test('binary mode needs the option, for its attributes are not signed', async (t) => {
    const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/x', 'ce-type': 'a' }
    const { 'content-type': _type, ...headers } = { ...signed('1'), 'content-type': 'application/json' }
    const all = { ...headers, ...binary, 'content-type': 'application/json' }
    assert.equal((await post(await listening(t, {}), '1', all)).status, 415)
    assert.equal((await post(await listening(t, { binary: true }), '1', all)).status, 204)
  })
})

describe('webhook receiver: what is no event, and what is not wanted', () => {
  test('the answer to each', async (t) => {
    const url = await listening(t, { maxBytes: 2_000, handlers: { 'another.*': () => undefined } })
    const failed = hear(t, 'delivery.failed')
    const ignored = hear(t, 'delivery.ignored')
    const statusOf = async (body: string, headers: Record<string, string> = {}) =>
      (await post(url, body, { ...signed(body), ...headers })).status
    assert.equal(await statusOf('{'), 400)
    assert.equal(await statusOf('{"specversion":"1.0"}'), 400)
    assert.equal(await statusOf('[]'), 400)
    assert.equal(failed.length, 3)
    assert.equal(failed[0]?.['event'], undefined)
    assert.equal(await statusOf('[]', { 'content-type': 'application/cloudevents-batch+json' }), 204)
    for (const type of ['application/json', 'application/cloudevents+xml', 'application/cloudevents', 'nonsense']) {
      assert.equal(await statusOf(structured(), { 'content-type': type }), 415, type)
    }
    assert.equal(await statusOf(structured(), { 'content-type': `${jsonType['content-type']}; charset=utf-16` }), 415)
    assert.equal(await statusOf(structured(), { 'content-encoding': 'gzip' }), 415)
    assert.equal(await statusOf(structured(), { 'content-type': 'Application/CloudEvents+JSON; Charset="UTF-8"' }), 204)
    assert.equal(ignored.length, 1)
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) assert.equal((await fetch(url, { method })).status, 405)
  })

  test('a body that is too large: by its length, or when it turns out so; the connection lives', async (t) => {
    const url = await listening(t, { maxBytes: 1_000 })
    const body = structured(sampleEvent({ data: JSON.stringify('x'.repeat(500_000)) }))
    assert.equal((await post(url, body, signed(body))).status, 413)
    // Nobody waits for a body that is announced as too large.
    const announced = httpRequest(url, { method: 'POST', headers: { ...signed('x'), 'content-length': 1_000_000 } })
    announced.on('error', () => undefined).flushHeaders()
    const [response] = (await once(announced, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 413)
    announced.destroy()
    async function* pieces() {
      for (let at = 0; at < body.length; at += 50_000) yield new TextEncoder().encode(body.slice(at, at + 50_000))
    }
    const init = { method: 'POST', body: pieces() as never, headers: signed(body), duplex: 'half' } as const
    assert.equal((await fetch(url, init)).status, 413)
  })

  test('a sender that goes away in the middle', async (t) => {
    const url = await listening(t, {})
    const errors = hear(t, 'consumer.error')
    const heard = Promise.withResolvers<void>()
    t.after(onSignal('consumer.error', () => heard.resolve()))
    const request = httpRequest(url, { method: 'POST', headers: { ...signed('x'), 'content-length': 1_000 } })
    request.on('error', () => undefined)
    request.write('x', () => setImmediate(() => request.destroy()))
    await heard.promise
    assert.equal(errors.length, 1)
  })

  test('a body that somebody has read before is an error that says so', async (t) => {
    const receive = webhookReceiver({ name: 'billing', keys: secret, inbox: false, handlers: { '*': () => undefined } })
    const server = createServer((request, response) => {
      request.resume().once('end', () => setImmediate(() => toNodeListener(receive)(request, response)))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const errors = hear(t, 'consumer.error')
    const body = structured()
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { status } = await post(url, body, { ...signed(body), connection: 'close' })
    assert.equal(status, 400)
    assert.match(String(errors[0]?.['error']), /before whatever parses bodies/)
  })

  test('data that its schema refuses: 422, for good', async (t) => {
    const events = { 'order.created': z.object({ total: z.number() }) }
    const url = await listening(t, { events, handlers: { 'order.created': () => undefined } } as never)
    const failed = hear(t, 'delivery.failed')
    for (const [data, status] of [
      ['{"total":"1"}', 422],
      ['{"total":1}', 204],
    ] as const) {
      const body = structured(sampleEvent({ eventType: 'order.created', data }))
      assert.equal((await post(url, body, signed(body))).status, status)
    }
    assert.equal(failed.length, 1)
  })

  test('a handler that takes too long gets a sign', async (t) => {
    const handlers = {
      '*': (_event: unknown, { signal }: { readonly signal: AbortSignal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    }
    const url = await listening(t, { handlers, handlerTimeout: 50 })
    const body = structured()
    assert.equal((await post(url, body, signed(body))).status, 500)
  })

  test('a handler that never ends is answered all the same, and told to stop; the sender tries again', async (t) => {
    let calls = 0
    let aborted = false
    const failed = hear(t, 'delivery.retried')
    const handlers = {
      '*': (_event: unknown, { signal }: { readonly signal: AbortSignal }) => {
        if (++calls > 1) return undefined
        signal.addEventListener('abort', () => {
          aborted = true
        })
        return new Promise<void>(() => undefined)
      },
    }
    const url = await listening(t, { handlers, handlerTimeout: 10 })
    const body = structured()
    const answer = await fetch(url, {
      method: 'POST',
      body,
      headers: signed(body),
      signal: AbortSignal.timeout(10_000),
    })
    assert.deepEqual([answer.status, answer.headers.get('retry-after'), aborted], [500, '1', true])
    assert.equal((failed[0]?.['error'] as { readonly code?: string } | undefined)?.code, 'HANDLER_TIMEOUT')
    assert.equal((await post(url, body, signed(body))).status, 204)
    assert.equal(calls, 2)
  })

  test('a transaction that never ends, in a library of yours, is answered, too, and runs no handler later', async (t) => {
    const store = memoryStore()
    const begin = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    let calls = 0
    const url = await listening(t, {
      inbox: new Inbox({ store }) as Inbox<unknown>,
      transaction: (async (work: (tx: unknown) => Promise<unknown>) => {
        await begin.promise
        return store.transaction(work).finally(() => begun.resolve())
      }) as NonNullable<WebhookReceiverOptions['transaction']>,
      handlers: { '*': () => void calls++ },
      handlerTimeout: 10,
    })
    const body = structured()
    const answer = await fetch(url, {
      method: 'POST',
      body,
      headers: signed(body),
      signal: AbortSignal.timeout(15_000),
    })
    assert.equal(answer.status, 503)
    begin.resolve()
    await begun.promise
    assert.equal(calls, 0)
  })

  test('context: position is the webhook-id, and the place in the batch', async (t) => {
    const positions: unknown[] = []
    const handlers = {
      '*': (_event: unknown, context: { readonly position: string }) => void positions.push(context.position),
    }
    const url = await listening(t, { handlers })
    const body = structured()
    await post(url, body, signed(body))
    const batch = `[${structured()},${structured()}]`
    await post(url, batch, { ...signed(batch), 'content-type': 'application/cloudevents-batch+json' })
    assert.deepEqual(positions, ['webhook msg_1', 'webhook msg_1[0]', 'webhook msg_1[1]'])
  })
})

test('webhook receiver: as a function of the Fetch API', async () => {
  const seen: string[] = []
  const receive = webhookReceiver({
    name: 'billing',
    keys: secret,
    store: memoryStore(),
    handlers: { '*': ({ type }) => void seen.push(type) },
  })
  const body = structured(sampleEvent({ eventType: 'order.created' }))
  const request = new Request('https://billing.example/events', { method: 'POST', body, headers: signed(body) })
  assert.equal((await receive(request)).status, 204)
  assert.deepEqual(seen, ['order.created'])
})

test('webhook receiver: options', () => {
  const base = { name: 'billing', keys: secret, inbox: false, handlers: { '*': () => undefined } } as const
  for (const [options, message] of [
    [{ ...base, keys: undefined }, /keys is undefined \(is the environment variable set\?\); give whsec_/],
    [{ ...base, keys: 'hush' }, /keys\[0\] must begin with/],
    [{ ...base, key: 'hush' }, /key is not an option; did you mean "keys"/],
    [{ ...base, maxBytes: 0 }, /maxBytes is 0/],
    [{ ...base, allowedOrigins: 'x.example' }, /allowedOrigins is "x.example"/],
    [{ ...base, binary: 1 }, /binary is 1/],
    [{ ...base, name: '' }, /name is ""/],
    [{ ...base, handlers: {} }, /handlers is empty/],
    [
      { ...base, events: { 'order.paid': z.object({}) }, handlers: { 'order.payd': () => 1 } },
      /order\.payd is not an event of the catalogue; did you mean "order\.paid"/,
    ],
    [{ ...base, inbox: undefined }, /store is missing/],
  ] as const) {
    assert.throws(
      () => webhookReceiver(options as never),
      (error: Error & { readonly code?: string; readonly value?: unknown }) => {
        assert.equal(error.code, 'INVALID_OPTION')
        assert.match(error.message, message)
        assert.doesNotMatch(`${error.message} ${String(error.value)}`, /hush/)
        return true
      },
    )
  }
})
