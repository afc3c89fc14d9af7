import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type Health, type HealthCheck, type HealthHandlerOptions, healthHandler, toNodeListener } from 'ts-broadcaster'

const SECRET = 'db-17.internal: password authentication failed for user "shop"'

/** A source that is as it is told to be, and counts who asks it. */
function sourceOf(live: boolean, ready: boolean) {
  const check = {
    kind: 'database',
    name: 'postgres at db-17.internal',
    live,
    ready,
    detail: ready ? null : SECRET,
  } as const
  const checks: readonly HealthCheck[] = [check]
  const source = {
    asked: 0,
    liveness: () => ({ live, checks }),
    async health(): Promise<Health> {
      source.asked++
      return { live, ready, checks }
    },
  }
  return source
}

async function ask(handler: (request: Request) => Promise<Response>, path: string, method = 'GET') {
  const response = await handler(new Request(`http://any.example${path}`, { method }))
  const text = await response.text()
  return { status: response.status, headers: response.headers, text }
}

for (const [live, ready, codes] of [
  [true, true, [200, 200, 200]],
  [true, false, [200, 503, 503]],
  [false, true, [503, 200, 503]],
  [false, false, [503, 503, 503]],
] as const) {
  test(`live ${live}, ready ${ready}: livez, readyz and healthz are ${codes.join(', ')}`, async () => {
    const handler = healthHandler(sourceOf(live, ready))
    const answers = await Promise.all(['/livez', '/readyz', '/healthz'].map((path) => ask(handler, path)))
    assert.deepEqual(
      answers.map(({ status }) => status),
      codes,
    )
    const [livez, readyz, healthz] = answers.map(({ text }) => JSON.parse(text) as unknown)
    const word = (well: boolean) => (well ? 'ok' : 'unavailable')
    assert.deepEqual(livez, { status: word(live), live })
    assert.deepEqual(readyz, { status: word(ready), ready })
    assert.deepEqual(healthz, { status: word(live && ready), live, ready })
    for (const { headers, text } of answers) {
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.equal(headers.get('content-type'), 'application/json')
      assert.doesNotMatch(text, /internal|password|postgres/)
    }
  })
}

test('livez asks nobody', async () => {
  const source = sourceOf(true, false)
  await ask(healthHandler(source), '/livez')
  assert.equal(source.asked, 0)
  await ask(healthHandler(source), '/readyz')
  assert.equal(source.asked, 1)
})

test('GET and HEAD only, and of other paths nothing is known', async () => {
  const source = sourceOf(true, true)
  const handler = healthHandler(source)
  const head = await ask(handler, '/readyz', 'HEAD')
  assert.deepEqual([head.status, head.text, head.headers.get('cache-control')], [200, '', 'no-store'])
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await ask(handler, '/readyz', method)
    assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD'])
  }
  assert.equal(source.asked, 1)
  for (const path of ['/', '/livez/', '/metrics', '/constructor', '//livez']) {
    assert.equal((await ask(handler, path)).status, 404, path)
  }
  assert.equal((await ask(handler, '/livez?verbose=1')).status, 200)
})

test('details are for those who may have them', async () => {
  const source = sourceOf(true, false)
  const shown = async (options: HealthHandlerOptions) => (await ask(healthHandler(source, options), '/readyz')).text
  assert.match(await shown({ details: true }), /db-17\.internal/)
  const hidden: readonly HealthHandlerOptions[] = [
    {},
    { details: false },
    { details: () => false },
    { details: async () => false },
    { details: () => 1 as unknown as boolean },
    {
      details() {
        throw new Error('no')
      },
    },
  ]
  for (const options of hidden) assert.doesNotMatch(await shown(options), /db-17/)
  const details = async (request: Request) => request.headers.get('authorization') === 'Bearer x'
  const request = new Request('http://any.example/healthz', { headers: { authorization: 'Bearer x' } })
  const body = (await (await healthHandler(source, { details })(request)).json()) as Health
  assert.deepEqual(body.checks, source.liveness().checks)
  assert.doesNotMatch(await shown({ details }), /db-17/)
})

test('several sources: all must live; all must be ready, or any of them', async () => {
  const [well, waiting, dead] = [sourceOf(true, true), sourceOf(true, false), sourceOf(false, false)]
  const status = async (path: string, options: HealthHandlerOptions, ...sources: (typeof well)[]) =>
    (await ask(healthHandler(sources, options), path)).status
  assert.equal(await status('/readyz', {}, well, waiting), 503)
  assert.equal(await status('/readyz', { readyWhen: 'any' }, well, waiting), 200)
  assert.equal(await status('/livez', {}, well, waiting), 200)
  assert.equal(await status('/livez', { readyWhen: 'any' }, well, dead), 503)
})

test('a source that throws is unavailable, and what it said stays here', async () => {
  const handler = healthHandler({
    liveness: () => ({ live: true, checks: [] }),
    health: () => Promise.reject(new Error(SECRET)),
  })
  const { status, text } = await ask(handler, '/readyz')
  assert.deepEqual([status, JSON.parse(text)], [503, { status: 'unavailable' }])
})

test('wrong options are refused', () => {
  const source = sourceOf(true, true)
  const code = { code: 'INVALID_OPTION' }
  assert.throws(() => healthHandler([]), code)
  const given = (...args: unknown[]) => Reflect.apply(healthHandler, undefined, args)
  assert.throws(() => given(), /sources is undefined; give a Broadcaster or Consumer, or a list of them/)
  assert.throws(() => given(new URL('http://x.example')), /sources is a URL; give/)
  assert.throws(() => given([]), /sources is an empty list; give/)
  assert.throws(() => given([source, null]), /sources\[1\] is null; give/)
  assert.throws(() => healthHandler({} as typeof source), code)
  assert.throws(() => healthHandler(source, { details: 'yes' as unknown as boolean }), code)
  assert.throws(() => healthHandler(source, { timeout: 0 }), code)
  assert.throws(() => healthHandler(source, { detials: true } as HealthHandlerOptions), /did you mean "details"/)
})

test('through node:http', async (t) => {
  const server = createServer(toNodeListener(healthHandler(sourceOf(true, false)))).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const livez = await fetch(`${at}/livez`)
  assert.deepEqual([livez.status, await livez.json()], [200, { status: 'ok', live: true }])
  assert.equal((await fetch(`${at}/readyz`)).status, 503)
  const head = await fetch(`${at}/readyz`, { method: 'HEAD' })
  assert.deepEqual([head.status, await head.text()], [503, ''])
  const post = await fetch(`${at}/livez`, { method: 'POST', body: 'x'.repeat(100_000) })
  assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
  assert.equal((await fetch(`${at}/other`)).status, 404)
})
