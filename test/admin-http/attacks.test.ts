import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { adminHandler } from 'ts-broadcaster/admin'
import { readBody } from '../../src/admin-http/api-body.ts'
import { ROUTES } from '../../src/admin-http/api-routes.ts'
import type { EventAnswer, EventsAnswer, SessionAnswer } from '../../src/admin-http/api-types.ts'
import { StaticFiles } from '../../src/admin-http/static-files.ts'
import { asking, BY_TOKEN, listening, outboxInMemory, TOKENS } from './desk.ts'

/*
 * What is tried against a server like this one, and does not get through. Each kind has a control that shows it could be seen.
 */

const broadcaster = await outboxInMemory()
const XSS = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>'
const failed = await broadcaster.events.create({
  type: `order.${XSS}`.slice(0, 200),
  source: `/${encodeURIComponent(XSS)}`,
  subject: XSS,
  partitionKey: `key-${XSS}`,
  data: { text: XSS, card: '4111 1111 1111 1111', big: 12345678901234567890n },
  dataContentType: 'application/json',
})
await failed.markAsFailed(`${XSS} [EXSS]`)
const mask = [{ type: 'order.*', paths: ['$.card'] }]
const ask = asking(adminHandler(broadcaster, { ...BY_TOKEN, mask }))
const ids = JSON.stringify({ ids: [failed.id] })
const cookieOf = async (token: string): Promise<string> =>
  ((await ask('api/login', { body: JSON.stringify({ token }) })).headers.get('set-cookie') ?? '').split(';')[0] ?? ''
const isUntouched = async (): Promise<boolean> => (await broadcaster.events.get({ id: failed.id })).status === 'failed'

describe('without a login', () => {
  const open = ['session', 'login', 'logout']
  for (const { method, path } of ROUTES.filter(({ path }) => !open.includes(path))) {
    test(`${method} ${path}`, async () => {
      const address = `api/${path.replaceAll(/\{\w+\}/g, failed.id)}`
      for (const headers of [
        {},
        { authorization: 'Bearer' },
        { authorization: 'Bearer undefined' },
        { authorization: `Basic ${TOKENS.admin}` },
        { cookie: 'broadcaster-admin=' },
      ]) {
        const { status, text } = await asking(adminHandler(broadcaster, BY_TOKEN))(address, {
          method,
          headers,
          ...(method === 'POST' ? { body: ids } : {}),
        })
        assert.equal(status, 401)
        assert.doesNotMatch(text, /order\.|alert|shop/)
      }
    })
  }
  test('nor is it told which calls there are', async () => {
    assert.equal((await ask('api/nothing')).status, 401)
    assert.equal((await ask('api/status', { method: 'DELETE' })).status, 401)
    assert.equal((await ask('api/nothing', { as: 'viewer' })).status, 404, 'which others see')
  })
})

test('a viewer changes nothing', async () => {
  for (const { path, body } of ROUTES.filter(
    ({ method, action }) => method === 'POST' && action !== null && action !== 'read',
  )) {
    assert.ok(body)
    const { status } = await ask(`api/${path.replaceAll(/\{\w+\}/g, 'default')}`, { as: 'viewer', body: ids })
    assert.equal(status, 403, path)
  }
  assert.ok(await isUntouched())
})

describe('a page of somebody else', () => {
  for (const [name, headers] of [
    ['sends the cookie alone', {}],
    ['guesses the header', { 'x-csrf': 'x'.repeat(32) }],
    ['sends a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['sends a form of text', { 'content-type': 'text/plain' }],
    ['sends a form of text that ends as JSON', { 'content-type': 'text/plain; application/json' }],
    ['is a neighbour', { 'sec-fetch-site': 'same-site' }],
  ] as const) {
    test(name, async () => {
      const cookie = await cookieOf(TOKENS.admin)
      const { csrf } = (await ask('api/session', { headers: { cookie } })).json<SessionAnswer>()
      const own = name.startsWith('sends a form') || name === 'is a neighbour' ? { 'x-csrf': csrf ?? '' } : {}
      const answer = await ask('api/actions/cancel', { body: ids, headers: { cookie, ...own, ...headers } })
      assert.ok(answer.status === 403 || answer.status === 415, `${answer.status}`)
      assert.ok(await isUntouched())
    })
  }
  test('has no use for the proof of another session', async () => {
    const [mine, theirs] = [await cookieOf(TOKENS.viewer), await cookieOf(TOKENS.admin)]
    const { csrf } = (await ask('api/session', { headers: { cookie: mine } })).json<SessionAnswer>()
    const answer = await ask('api/actions/cancel', { body: ids, headers: { cookie: theirs, 'x-csrf': csrf ?? '' } })
    assert.equal(answer.json()['code'], 'CSRF')
    const own = (await ask('api/session', { headers: { cookie: theirs } })).json<SessionAnswer>()
    const control = await ask('api/actions/replay', {
      body: ids,
      headers: { cookie: theirs, 'x-csrf': own.csrf ?? '' },
    })
    assert.equal(control.status, 200, 'its own proof is taken')
  })
  test('cannot frame it, read it or have it guess types', async () => {
    for (const path of ['', 'api/session', 'api/status', 'api/nothing', 'nothing.js']) {
      const { headers } = await ask(path)
      assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
      assert.doesNotMatch(headers.get('content-security-policy') ?? '', /unsafe/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('referrer-policy'), 'no-referrer')
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin')
      assert.equal(headers.get('access-control-allow-origin'), null)
    }
  })
})

test('markup in every field of an event: only JSON, never a page', async () => {
  for (const path of [
    'api/events',
    `api/events/${failed.id}`,
    'api/failures',
    'api/keys',
    'api/status',
    `api/suggest?q=${encodeURIComponent('type:')}`,
    `api/events?q=${encodeURIComponent(`"${XSS.replaceAll('"', '\\"')}"`)}`,
    `api/events?q=${encodeURIComponent(`${XSS}:1`)}`,
    `api/events?order=${encodeURIComponent(XSS)}`,
  ]) {
    const { headers, text } = await ask(path, { as: 'viewer' })
    assert.match(headers.get('content-type') ?? '', /^application\/(problem\+)?json$/, path)
    assert.equal(headers.get('cache-control'), 'no-store', path)
    JSON.parse(text)
  }
  for (const path of [
    '',
    'events',
    `events/${failed.id}`,
    `events?q=${encodeURIComponent(XSS)}`,
    'failures/%3Cscript%3E',
    'keys/default/%22%3E',
  ]) {
    const { headers, text } = await ask(path, { as: 'viewer' })
    assert.match(headers.get('content-type') ?? '', /^text\/html/)
    assert.doesNotMatch(text, /alert\(1\)|order\.|onerror/, `${path}: a page holds nothing of an event or an address`)
    assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=/i, 'nothing inline')
  }
})

describe('SQL in every filter', () => {
  const before = broadcaster.events.count()
  const { eventType, source, subject, lastError } = failed
  const texts: Readonly<Record<string, string>> = {
    error: lastError,
    data: failed.dataJson ?? '',
    '': [eventType, source, subject, lastError].join('\n'),
  }
  for (const value of [
    "'; DROP TABLE outbox_events; --",
    "' OR '1'='1",
    '" OR 1=1 --',
    '%',
    '_',
    '\\',
    "') UNION SELECT 1 --",
    '$1',
    '?',
    '\u0000',
  ]) {
    test(JSON.stringify(value), async () => {
      const quoted = `"${value.replace(/["\\]/g, '\\$&')}"`
      for (const field of [
        'type',
        'source',
        'subject',
        'backend',
        'key',
        'event',
        'error',
        'data',
        'data.text',
        'ext.a',
        'id',
        'status',
        'code',
        'created',
        'retries',
        '',
      ]) {
        const q = encodeURIComponent(field === '' ? quoted : `${field}:${quoted}`)
        for (const call of ['events', 'events/count', 'failures']) {
          const { status, text } = await ask(`api/${call}?q=${q}`, { as: 'viewer' })
          assert.ok(status === 200 || status === 400, `${field} ${status}: ${text}`)
          if (status === 200 && call === 'events') {
            // The control: of some texts a piece is in this event, and then it is found.
            assert.equal((JSON.parse(text) as EventsAnswer).events.length, texts[field]?.includes(value) ? 1 : 0, field)
          }
        }
      }
      assert.equal(await broadcaster.events.count(), await before)
    })
  }
})

test('tricks with paths lead nowhere', async (t) => {
  const server = await listening(adminHandler(broadcaster, BY_TOKEN))
  t.after(server.close)
  const raw = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1')
      let text = ''
      socket
        .on('data', (piece: Buffer) => (text += piece.toString()))
        .once('close', () => resolve(text))
        .once('error', reject)
      socket.end(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
    })
  for (const path of [
    '/assets/../index.html',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/..\\..\\package.json',
    '/assets/%5c..%5cpackage.json',
    '//evil.example/',
    '/\\evil.example',
    '/assets//etc/passwd',
    '/ops/assets/%00.js',
    '/ops%0d%0aset-cookie:a=b',
    'http://evil.example/ops',
    '/%',
    '/%ff%fe',
    '/assets/package.json',
    '/assets/__proto__',
    '/assets/constructor',
    '/../../etc/passwd',
  ]) {
    const text = await raw(path)
    const [head = '', body = ''] = text.split('\r\n\r\n')
    assert.doesNotMatch(body, /"name": "ts-broadcaster"|root:/, path)
    assert.doesNotMatch(head, /^set-cookie/im, path)
    assert.doesNotMatch(head, /^location: (?!\.\/)/im, `${path}: nobody is sent elsewhere`)
    assert.match(head, /^HTTP\/1\.1 (200|308|400|404) /, path)
  }
  assert.equal(new StaticFiles('/nowhere').asset(new Request('http://a/'), '../package.json'), undefined)
})

describe('bodies', () => {
  test('too large, whatever its length says', async (t) => {
    const large = JSON.stringify({ ids: ['x'.repeat(70_000)] })
    assert.equal((await ask('api/actions/cancel', { as: 'admin', body: large })).status, 413)
    const server = await listening(adminHandler(broadcaster, BY_TOKEN))
    t.after(server.close)
    const headers = { authorization: `Bearer ${TOKENS.admin}`, 'content-type': 'application/json' }
    const pieces = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(32)),
    })
    const { status } = await fetch(`${server.url}/api/actions/cancel`, {
      method: 'POST',
      headers,
      body: pieces,
      duplex: 'half',
    } as RequestInit)
    assert.equal(status, 413)
  })
  test('that does not end', async () => {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array([123])) })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' }
    await assert.rejects(
      readBody(new Request('http://a/', init as RequestInit), [], 50),
      /The body must arrive within 0.05 s/,
    )
  })
  for (const body of [
    '[]',
    'null',
    '{',
    '5',
    '\u00ff{}',
    '{"ids":["x"]}',
    '{"__proto__":{"all":true}}',
    '{"all":"true"}',
    '{"q":""}',
    '{"q":5}',
    '{"ids":[]}',
    '{"q":"a","all":true}',
    '{"all":true,"dryRun":"no"}',
    '{"q":"status:failed","reason":5}',
    '{"ids":{"length":1}}',
  ]) {
    test(`that says ${body}`, async () => {
      assert.equal((await ask('api/actions/cancel', { as: 'admin', body })).status, 400)
      assert.ok(await isUntouched())
    })
  }
})

test('headers and addresses too large', async () => {
  assert.equal((await ask('api/status', { as: 'viewer', headers: { 'x-a': 'x'.repeat(9_000) } })).status, 431)
  assert.equal((await ask(`api/events?q=${'x'.repeat(9_000)}`, { as: 'viewer' })).status, 414)
})

test('headers of proxies change nothing that matters', async () => {
  const headers = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'javascript',
    'x-forwarded-prefix': '/"><script>',
    'x-forwarded-for': '127.0.0.1',
    'x-original-url': '/api/status',
    'x-http-method-override': 'POST',
  }
  const page = await ask('', { headers })
  assert.doesNotMatch(page.text, /evil|javascript|"><script>/)
  assert.equal((await ask('api/status', { headers })).status, 401)
})

test('forged cookies and cursors', async () => {
  const cookie = await cookieOf(TOKENS.viewer)
  const [name = '', value = ''] = cookie.split('=')
  const [body = '', mark = ''] = value.split('.')
  const later = Buffer.from(
    JSON.stringify([...(JSON.parse(Buffer.from(body, 'base64url').toString()) as unknown[]).slice(0, 2), 9e15]),
  ).toString('base64url')
  const who = async (forged: string) =>
    (await ask('api/session', { headers: { cookie: `${name}=${forged}` } })).json<SessionAnswer>().user
  assert.equal(await who(value), 'vera')
  for (const forged of [
    `${later}.${mark}`,
    `${body}.`,
    body,
    `.${mark}`,
    `${body}.${mark}.x`,
    `${body}.${mark.slice(1)}`,
    mark,
    'null.null',
    'x'.repeat(5_000),
  ]) {
    assert.equal(await who(forged), null, forged.slice(0, 60))
  }
  await broadcaster.events.create({ type: 'a', source: '/' })
  const { next } = (await ask('api/events?limit=1', { as: 'viewer' })).json<EventsAnswer>()
  assert.equal((await ask(`api/events?limit=1&after=${next}`, { as: 'viewer' })).status, 200)
  const other = asking(adminHandler(broadcaster, { ...BY_TOKEN, secret: 'another secret of 16' }))
  for (const after of [`${next}x`, failed.id, '', 'null.null', `${later}.${mark}`]) {
    assert.equal((await ask(`api/events?after=${after}`, { as: 'viewer' })).json()['code'], 'INVALID_CURSOR')
  }
  assert.equal(
    (await other(`api/events?after=${next}`, { as: 'viewer' })).json()['code'],
    'INVALID_CURSOR',
    'of another server',
  )
  assert.equal(
    (await ask(`api/failures?after=${next}`, { as: 'viewer' })).json()['code'],
    'INVALID_CURSOR',
    'of another list',
  )
})

test('guessing tokens: the same answer for each, and an end to it', async () => {
  const guess = asking(adminHandler(broadcaster, BY_TOKEN))
  const answers = new Set<string>()
  for (const token of [
    '',
    'x',
    TOKENS.admin.slice(0, -1),
    `${TOKENS.admin}x`,
    TOKENS.admin.toUpperCase(),
    'y'.repeat(200),
  ]) {
    const { status, text } = await guess('api/login', { body: JSON.stringify({ token }) })
    answers.add(`${status} ${text}`)
  }
  assert.equal(answers.size, 1, [...answers].join())
  for (const token of [5, null, ['a'], {}])
    assert.equal((await guess('api/login', { body: JSON.stringify({ token }) })).status, 401)
  for (let n = 0; n < 6; n++) await guess('api/status', { headers: { authorization: `Bearer wrong${n}` } })
  const ended = await guess('api/login', { body: JSON.stringify({ token: TOKENS.admin }) })
  assert.equal(ended.status, 429, 'the right one, too, or the end would tell which is right')
  assert.ok(Number(ended.headers.get('retry-after')) > 0)
})

test('actions without end', async () => {
  const busy = asking(adminHandler(broadcaster, { ...BY_TOKEN, actionsPerMinute: 3 }))
  const codes: number[] = []
  for (let n = 0; n < 5; n++) codes.push((await busy('api/actions/replay', { as: 'operator', body: ids })).status)
  assert.deepEqual(codes, [200, 200, 200, 429, 429])
  assert.equal((await busy('api/actions/replay', { as: 'admin', body: ids })).status, 200, 'somebody else may')
})

test('what is hidden is not shown, not found, and not guessed', async () => {
  const { event } = (await ask(`api/events/${failed.id}`, { as: 'admin' })).json<EventAnswer>()
  assert.deepEqual([event.masked, event.key], [['$.card'], null])
  assert.match(event.dataText ?? '', /"card":"\*\*\*"/)
  assert.match(event.dataText ?? '', /12345678901234567890/, 'big integers stay exact')
  const found = async (q: string, of = ask) =>
    (await of(`api/events?q=${encodeURIComponent(q)}`, { as: 'admin' })).json<EventsAnswer>().events.length
  assert.equal(await found('data.card:4111*'), 0)
  assert.equal(await found('data:4111'), 0)
  assert.equal(
    await found('data.card:4111*', asking(adminHandler(broadcaster, BY_TOKEN))),
    1,
    'without the rule it is there',
  )
  const blind = asking(adminHandler(broadcaster, { ...BY_TOKEN, allow: (_, action) => action !== 'read-data' }))
  assert.equal((await blind(`api/events/${failed.id}`, { as: 'admin' })).json<EventAnswer>().event.dataText, null)
  assert.equal((await blind('api/events?q=data.card:4111*', { as: 'admin' })).status, 403)
  for (const path of ['api/events', `api/events/${failed.id}`, 'api/status', 'api/keys', 'api/failures']) {
    assert.doesNotMatch((await ask(path, { as: 'admin' })).text, /key-<script/, `${path} shows no key`)
  }
  const open = asking(adminHandler(broadcaster, { ...BY_TOKEN, showKeys: true }))
  assert.match((await open('api/events', { as: 'admin' })).text, /key-<script/, 'with showKeys it does')
})
