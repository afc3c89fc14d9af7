import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { healthHandler, toNodeListener } from 'ts-broadcaster'
import { prometheus } from 'ts-broadcaster/prometheus'

type Receive = (request: Request) => Promise<Response>

async function listening(t: TestContext, receive: Receive): Promise<Server> {
  const server = createServer(toNodeListener(receive)).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return server
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

test('what is no function is refused', () => {
  using metrics = prometheus([])
  for (const given of [undefined, null, 'x', {}, metrics]) {
    assert.throws(() => toNodeListener(given as unknown as Receive), {
      code: 'INVALID_OPTION',
      field: 'receive',
      message: /receive is .*; give a function of a Request, such as .*metrics\.handle/,
    })
  }
})

test('a function that throws, or gives no response, is answered 500 and told', async (t) => {
  const told = t.mock.method(console, 'error', () => undefined)
  let answer: Receive = () => Promise.reject(new Error('no such table'))
  const at = `http://127.0.0.1:${portOf(await listening(t, (request) => answer(request)))}`
  assert.equal((await fetch(`${at}/hooks?token=secret`, { method: 'POST', body: 'x' })).status, 500)
  answer = async () => undefined as unknown as Response
  assert.equal((await fetch(at)).status, 500)
  answer = () => {
    throw new Error('at once')
  }
  assert.equal((await fetch(at)).status, 500)
  const lines = told.mock.calls.map(({ arguments: [line] }) => String(line).replace(/^\S+ /, ''))
  assert.deepEqual(lines, [
    'broadcaster: POST /hooks is answered 500: no such table',
    'broadcaster: GET / is answered 500: the function gave undefined, not a Response',
    'broadcaster: GET / is answered 500: at once',
  ])
})

test('a request that cannot be read is answered 400, and nobody is told', async (t) => {
  const told = t.mock.method(console, 'error', () => undefined)
  const server = await listening(t, async () => new Response('never'))
  const socket = connect(portOf(server), '127.0.0.1')
  socket.end('GET http://[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  let text = ''
  for await (const piece of socket.setEncoding('utf8')) text += piece
  assert.match(text, /^HTTP\/1\.1 400 /)
  assert.equal(told.mock.callCount(), 0)
})

test('a handler that is given the request of node:http says how to wrap it', async (t) => {
  using metrics = prometheus([])
  const health = healthHandler({
    liveness: () => ({ live: true, checks: [] }),
    health: async () => ({ live: true, ready: true, checks: [] }),
  })
  const message = /takes a Request, and this is an IncomingMessage; for node:http wrap it: createServer\(toNodeListener/
  for (const handle of [health, metrics.handle]) {
    const server = createServer((request, response) => {
      handle(request as unknown as Request).catch((error: unknown) => {
        response.end(String(error))
      })
    }).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    assert.match(await (await fetch(`http://127.0.0.1:${portOf(server)}/livez`)).text(), message)
  }
})
