import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BroadcasterError } from 'ts-broadcaster'
import { type AdminHandlerOptions, type AdminUser, adminHandler } from 'ts-broadcaster/admin'
import type { ActionAnswer } from '../../src/admin-http/api-operations.ts'
import type { AuditAnswer, BackendsAnswer, EventAnswer, SessionAnswer } from '../../src/admin-http/api-types.ts'
import { asking, BY_TOKEN, listening, outboxInMemory, read, TOKENS } from './desk.ts'

const broadcaster = await outboxInMemory()
const ask = asking(adminHandler(broadcaster, BY_TOKEN))

describe('no start without a choice of who may come in', () => {
  for (const [name, options, says] of [
    ['nothing', {}, /token is missing, and so are basic, authenticate and unsafe/],
    ['unsafe: false', { unsafe: false as unknown as true }, /unsafe is false; give true, or leave it out/],
    [
      'a token of 15 characters',
      { token: 'x'.repeat(15) },
      /token .*does not fit; give a text of 16 to 200 characters/,
    ],
    ['a token from an unset variable', { token: undefined }, /token is missing/],
    ['a short password', { basic: [{ user: 'anna', password: 'short' }] }, /basic.*12 to 200 characters/],
    ['two choices', { token: TOKENS.admin, unsafe: true }, /unsafe has no effect beside token/],
    ['an empty list', { token: [] }, /token is an empty list/],
    ['one token for two', { token: [BY_TOKEN.token[0], { ...BY_TOKEN.token[0], user: 'x' }] }, /the same token twice/],
    ['a path that is none', { token: TOKENS.admin, mask: [{ paths: ['card'] }] }, /mask.*paths/],
    ['a typing mistake', { token: TOKENS.admin, showKey: true }, /showKey is not an option; did you mean "showKeys"/],
  ] as const satisfies readonly (readonly [string, object, RegExp])[]) {
    test(name, () => {
      assert.throws(
        () => adminHandler(broadcaster, options as AdminHandlerOptions),
        (error) => {
          assert.ok(error instanceof BroadcasterError)
          assert.equal(error.code, 'INVALID_OPTION')
          assert.match(error.message, says)
          assert.doesNotMatch(error.message, /x{15}|short"|0123456789abcdef/, 'no secret in the message')
          return true
        },
      )
    })
  }

  test('what is no Broadcaster', () => {
    assert.throws(() => adminHandler({} as never, BY_TOKEN), /outboxes is an object; give a Broadcaster/)
    assert.throws(
      () => adminHandler({ a: broadcaster, b: 5 as never }, BY_TOKEN),
      /outboxes\.b is the number 5|outboxes\.b is/,
    )
  })
})

test('nobody learns who is in charge, and how to log in', async () => {
  const { status, text } = await ask('api/session')
  const session = JSON.parse(text) as SessionAnswer
  assert.equal(status, 200)
  assert.deepEqual(
    [session.user, session.role, session.login, session.outbox, session.outboxes, session.csrf, session.version],
    [null, null, 'token', '', [], null, ''],
  )
})

test('a login sets a cookie for the folder of the API alone, which a logout ends for good', async () => {
  const { status, headers } = await ask('api/login', { body: JSON.stringify({ token: TOKENS.operator }) })
  assert.equal(status, 200)
  const set = headers.get('set-cookie') ?? ''
  assert.match(set, /^broadcaster-admin=[\w-]+\.[\w-]{32}; Max-Age=43200; HttpOnly; SameSite=Strict$/)
  assert.doesNotMatch(set, /Path=/i)
  const [cookie = ''] = set.split(';')
  const session = (await ask('api/session', { headers: { cookie } })).json<SessionAnswer>()
  assert.deepEqual([session.user, session.role], ['otto', 'operator'])
  assert.equal((await ask('api/logout', { headers: { cookie }, body: '' })).status, 200)
  assert.equal((await ask('api/session', { headers: { cookie } })).json<SessionAnswer>().user, null)
})

test('a cookie of HTTPS is for HTTPS alone', async () => {
  const handler = adminHandler(broadcaster, BY_TOKEN)
  const body = JSON.stringify({ token: TOKENS.viewer })
  const headers = { 'content-type': 'application/json', 'x-forwarded-proto': 'https' }
  const logIn = async (url: string, handle = handler): Promise<string> =>
    (await read(await handle(new Request(url, { method: 'POST', headers, body })))).headers.get('set-cookie') ?? ''
  assert.match(await logIn('https://a.example/api/login'), /; Secure$/)
  assert.doesNotMatch(
    await logIn('http://a.example/api/login'),
    /Secure/,
    'a header that anybody can send is not believed',
  )
  const trusting = adminHandler(broadcaster, { ...BY_TOKEN, trustProxy: true })
  assert.match(await logIn('http://a.example/api/login', trusting), /; Secure$/)
})

test('roles: each may do what those before it may, and no more', async () => {
  const id = '0198c2a0-7c1e-7000-8000-000000000000'
  for (const [as, requeue, remove] of [
    ['viewer', 403, 403],
    ['operator', 200, 403],
    ['admin', 200, 200],
  ] as const) {
    const body = JSON.stringify({ ids: [id] })
    assert.equal((await ask('api/status', { as })).status, 200)
    assert.equal((await ask('api/actions/requeue', { as, body })).status, requeue)
    assert.equal((await ask('api/actions/delete', { as, body })).status, remove)
  }
})

test('allow narrows what a role may; what it throws is a no', async () => {
  const asked: string[] = []
  const allow: AdminHandlerOptions['allow'] = ({ user }, action, outbox) => {
    asked.push(`${user} ${action} ${outbox}`)
    if (action === 'cancel') throw new Error('no')
    return action !== 'requeue'
  }
  const narrow = asking(adminHandler(broadcaster, { ...BY_TOKEN, allow }))
  const body = JSON.stringify({ ids: ['0198c2a0-7c1e-7000-8000-000000000000'] })
  assert.equal((await narrow('api/actions/requeue', { as: 'admin', body })).status, 403)
  assert.equal((await narrow('api/actions/cancel', { as: 'admin', body })).status, 403)
  assert.equal((await narrow('api/actions/skip', { as: 'admin', body })).status, 200)
  assert.equal((await narrow('api/actions/skip', { as: 'viewer', body })).status, 403, 'it gives nobody more')
  assert.deepEqual(asked, ['anna requeue shop', 'anna cancel shop', 'anna skip shop'])
})

test('basic: the browser asks, and a request still proves where it comes from', async () => {
  const basic = asking(
    adminHandler(broadcaster, { basic: [{ user: 'anna', password: 'correct horse battery', role: 'admin' }] }),
  )
  const page = await basic('')
  assert.equal(page.status, 401)
  assert.match(page.headers.get('www-authenticate') ?? '', /^Basic realm=/)
  const authorization = `Basic ${Buffer.from('anna:correct horse battery').toString('base64')}`
  assert.equal((await basic('', { headers: { authorization } })).status, 200)
  const { csrf } = (await basic('api/session', { headers: { authorization } })).json<SessionAnswer>()
  const body = JSON.stringify({ ids: ['0198c2a0-7c1e-7000-8000-000000000000'] })
  assert.equal((await basic('api/actions/skip', { headers: { authorization }, body })).json()['code'], 'CSRF')
  assert.equal(
    (await basic('api/actions/skip', { headers: { authorization, 'x-csrf': csrf ?? '' }, body })).status,
    200,
  )
})

test('the host decides: a user, nobody, or where to go', async () => {
  const answers: Record<string, AdminUser | Response | null> = {
    anna: { user: 'anna@example.com', role: 'operator' },
    nobody: null,
    elsewhere: new Response(null, { status: 302, headers: { location: 'https://login.example' } }),
    wrong: { user: 'anna', role: 'root' } as never,
  }
  const host = asking(
    adminHandler(broadcaster, { authenticate: async (request) => answers[request.headers.get('x-who') ?? ''] ?? null }),
  )
  const as = (who: string, path = 'api/session') => host(path, { headers: { 'x-who': who } })
  assert.equal((await as('anna')).json<SessionAnswer>().user, 'anna@example.com')
  assert.equal((await as('nobody')).json<SessionAnswer>().user, null)
  assert.equal((await as('nobody', 'api/status')).status, 401)
  assert.equal((await as('nobody', '')).status, 401)
  assert.equal((await as('elsewhere', '')).headers.get('location'), 'https://login.example')
  assert.equal((await as('wrong', 'api/status')).status, 500, 'a role that is none is no role')
})

test('unsafe: this machine alone, by its own name, and not by a proxy', async (t) => {
  const handler = adminHandler(broadcaster, { unsafe: true })
  assert.equal((await asking(handler)('api/status')).json()['code'], 'NOT_LOCAL', 'nobody knows where it came from')
  const server = await listening(handler)
  t.after(server.close)
  const { port, url } = server
  const got = async (headers: Record<string, string>): Promise<number> => {
    const { request } = await import('node:http')
    return new Promise((resolve, reject) => {
      request(`${url}/api/status`, { headers }, (response) => resolve(response.resume().statusCode ?? 0))
        .on('error', reject)
        .end()
    })
  }
  assert.equal(await got({}), 200)
  assert.equal(await got({ host: `localhost:${port}` }), 200)
  assert.equal(await got({ host: 'evil.example' }), 403, 'a name that was pointed at us')
  assert.equal(await got({ 'x-forwarded-for': '127.0.0.1' }), 403)
  assert.equal(await got({ forwarded: 'for=127.0.0.1' }), 403)
})

for (const [path, base] of [
  ['/', './'],
  ['/ops/outbox/', './'],
  ['/events', './'],
  ['/ops/outbox/events', './'],
  ['/ops/outbox/events/0198c2a0-7c1e-7000-8000-000000000000', '../'],
  ['/ops/keys/default/0123456789abcdef', '../../'],
  ['/events/failures', '../'],
  ['/login', './'],
] as const) {
  test(`the page at ${path} finds its base at ${base}`, async () => {
    const { status, text, headers } = await asking(adminHandler(broadcaster, BY_TOKEN), path)('')
    assert.equal(status, 200)
    assert.match(text, new RegExp(`<head><base href="${base.replaceAll('.', '\\.')}">`))
    assert.equal(headers.get('cache-control'), 'no-cache')
    assert.match(
      headers.get('content-security-policy') ?? '',
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    )
  })
}

// A redirect to the one with it would never end where the framework redirects the other way, as Next does.
for (const [path, base] of [
  ['/ops/outbox', './outbox/'],
  ['/outbox', './outbox/'],
  ["/ops/a&b'$'$&", "./a&#38;b'$'$&#38;/"],
  ['/ops/a"<script>', './a%22%3Cscript%3E/'],
] as const) {
  test(`the base path without its slash, ${path}, shows the page with the base ${base}`, async () => {
    const { status, text } = await asking(adminHandler(broadcaster, BY_TOKEN), path)('')
    assert.equal(status, 200)
    assert.ok(text.includes(`<head><base href="${base}">`), text.slice(0, 200))
  })
}

test('behind a framework that cuts off where it is mounted', async (t) => {
  const { createServer } = await import('node:http')
  const { toNodeListener } = await import('ts-broadcaster/admin')
  const listener = toNodeListener(adminHandler(broadcaster, BY_TOKEN))
  // What Express does in `app.use('/ops', listener)`.
  const server = createServer((request, response) => {
    Object.assign(request, { originalUrl: request.url, url: request.url?.replace(/^\/ops/, '') || '/' })
    listener(request, response)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close().closeAllConnections())
  const { port } = server.address() as { port: number }
  const bare = await fetch(`http://127.0.0.1:${port}/ops`, { redirect: 'manual' })
  assert.match(await bare.text(), /<head><base href=".\/ops\/">/)
  const status = await fetch(`http://127.0.0.1:${port}/ops/api/status`, {
    headers: { authorization: `Bearer ${TOKENS.viewer}` },
  })
  assert.equal(status.status, 200)
})

test('several outboxes, each by its name', async (t) => {
  const other = await outboxInMemory('billing')
  t.after(() => other.close())
  const both = asking(adminHandler({ shop: broadcaster, billing: other }, BY_TOKEN))
  assert.deepEqual((await both('api/session', { as: 'viewer' })).json<SessionAnswer>().outboxes, ['shop', 'billing'])
  assert.equal((await both('api/status', { as: 'viewer' })).json()['outbox'], 'shop')
  assert.equal((await both('api/status?outbox=billing', { as: 'viewer' })).json()['outbox'], 'billing')
  assert.equal((await both('api/status?outbox=nope', { as: 'viewer' })).status, 404)
})

test('what is not there yet says so, and the session knows it', async () => {
  const { features } = (await ask('api/session', { as: 'admin' })).json<SessionAnswer>()
  const operations = await ask('api/operations', { as: 'admin' })
  assert.equal(operations.status, features.operations ? 200 : 501)
  if (!features.operations) assert.equal(operations.json()['code'], 'NOT_THERE')
})

test('a backend is paused under the name of whoever did it, and resumed', async () => {
  await broadcaster.events.create({ type: 'order.created', source: '/orders' }, { backend: 'partners' })
  const pausedBy = async () => {
    const { backends } = (await ask('api/backends', { as: 'viewer' })).json<BackendsAnswer>()
    return backends.find(({ name }) => name === 'partners')?.paused
  }
  const act = (what: string, as: 'viewer' | 'operator' = 'operator') =>
    ask(`api/backends/partners/${what}`, { as, body: JSON.stringify({ reason: 'maintenance' }) })
  assert.equal((await act('pause', 'viewer')).status, 403)
  assert.deepEqual((await act('pause')).json(), { done: true })
  await new Promise((resolve) => setTimeout(resolve, 1_050))
  const paused = await pausedBy()
  assert.deepEqual([paused?.by, paused?.reason], ['otto', 'maintenance'])
  assert.ok(Math.abs(Date.parse(paused?.at ?? '') - Date.now()) < 5_000)
  assert.deepEqual((await act('resume')).json(), { done: true })
  assert.deepEqual((await act('resume')).json(), { done: false })
  assert.equal((await ask('api/backends/none/pause', { as: 'operator', body: '' })).status, 404)
})

test('what is done stands in the audit, with who did it and why', async () => {
  const event = await broadcaster.events.create({
    type: 'order.created',
    source: '/orders',
    partitionKey: 'secret-key',
  })
  const body = JSON.stringify({ q: `id:${event.id}`, reason: 'sent twice' })
  const done = (await ask('api/actions/cancel', { as: 'operator', body })).json<ActionAnswer>()
  assert.deepEqual([done.moved, done.left, done.results], [1, 0, []])
  const { audit } = (await ask('api/audit?who=otto&what=cancel', { as: 'viewer' })).json<AuditAnswer>()
  assert.deepEqual(
    [audit[0]?.who, audit[0]?.reason, audit[0]?.moved, audit[0]?.outcome],
    ['otto', 'sent twice', 1, 'done'],
  )
  assert.match(audit[0]?.target ?? '', new RegExp(event.id))
  const shown = (await ask(`api/events/${event.id}`, { as: 'viewer' })).json<EventAnswer>()
  assert.deepEqual(shown.audit, audit.slice(0, 1))
  assert.equal(shown.event.status, 'cancelled')
  // A key that a filter of the command named.
  await broadcaster.admin.requeue({ partitionKey: 'secret-key', status: 'cancelled' }, { by: 'cli' })
  const text = (await ask('api/audit?who=cli', { as: 'viewer' })).text
  assert.match(text, /partitionKey/)
  assert.doesNotMatch(text, /secret-key/)
})
