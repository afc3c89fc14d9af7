import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AdministeredOutbox, adminHandler } from 'ts-broadcaster/admin'
import type { StatusAnswer } from '../../src/admin-http/api-operations.ts'
import { BY_TOKEN, listening, outboxInMemory, TOKENS } from './desk.ts'

/** An outbox that counts who asks it how it is. */
async function counted() {
  const broadcaster = await outboxInMemory()
  const asked = { count: 0 }
  const admin = new Proxy(broadcaster.admin, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (name === 'status') asked.count++
        return Reflect.apply(value, target, args)
      }
    },
  })
  const outbox: AdministeredOutbox = { name: 'shop', admin }
  return { broadcaster, outbox, asked }
}

/** Reads server-sent events. */
async function* messages(response: Response): AsyncGenerator<{ readonly event: string; readonly data: StatusAnswer }> {
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  assert.equal(response.headers.get('cache-control'), 'no-store, no-transform')
  let text = ''
  const decoder = new TextDecoder()
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? []
      text = text.slice(end + 2)
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) as StatusAnswer }
    }
  }
}

test('changes come by themselves, and twenty listeners cost as much as one', async (t) => {
  const { broadcaster, outbox, asked } = await counted()
  const server = await listening(adminHandler(outbox, BY_TOKEN))
  t.after(server.close)
  const stop = new AbortController()
  const listen = async () => {
    const headers = { authorization: `Bearer ${TOKENS.viewer}` }
    return messages(await fetch(`${server.url}/ops/api/live`, { headers, signal: stop.signal }))
  }
  const waitingOf = ({ data }: { readonly data: StatusAnswer }) => data.backends[0]?.waiting.count
  const one = await listen()
  assert.equal(waitingOf((await one.next()).value), 0)
  const others = await Promise.all(Array.from({ length: 19 }, listen))
  const first = await Promise.all(others.map(async (each) => (await each.next()).value))
  assert.ok(first.every(({ event }) => event === 'status'))
  const before = asked.count
  const started = performance.now()
  await broadcaster.events.create({ type: 'order.created', source: '/orders' })
  const told = await Promise.all([one, ...others].map(async (each) => (await each.next()).value))
  assert.deepEqual(told.map(waitingOf), Array<number>(20).fill(1))
  const seconds = Math.ceil((performance.now() - started) / 1_000)
  assert.ok(asked.count - before <= seconds, `${asked.count - before} looks in ${seconds} s, for 20 listeners`)
  assert.ok(asked.count - before > 0, 'the count can move')
  stop.abort()
  // The server notices at its own pace; from then on nobody asks.
  for (let seen = -1; seen !== asked.count; ) {
    seen = asked.count
    await new Promise((resolve) => setTimeout(resolve, 1_300))
  }
})

test('the feed of a session ends with it', async (t) => {
  const { outbox } = await counted()
  const server = await listening(adminHandler(outbox, BY_TOKEN))
  t.after(server.close)
  const login = await fetch(`${server.url}/ops/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: TOKENS.viewer }),
  })
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
  const feed = messages(await fetch(`${server.url}/ops/api/live`, { headers: { cookie } }))
  assert.equal((await feed.next()).done, false)
  const headers = { cookie, 'content-type': 'application/json' }
  const out = await fetch(`${server.url}/ops/api/logout`, { method: 'POST', headers })
  assert.equal(out.status, 200)
  while (!(await feed.next()).done);
})

test('calls within a second share one look', async () => {
  const { outbox, asked } = await counted()
  const handler = adminHandler(outbox, BY_TOKEN)
  const call = () =>
    handler(new Request('http://a.example/api/status', { headers: { authorization: `Bearer ${TOKENS.viewer}` } }))
  const answers = await Promise.all(Array.from({ length: 20 }, call))
  assert.ok(answers.every(({ status }) => status === 200))
  assert.equal(asked.count, 1)
})
