import 'reflect-metadata'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { serve } from '@hono/node-server'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import type { Broadcaster } from 'ts-broadcaster'
import { toNodeListener } from 'ts-broadcaster/admin'
import { adminHandler, BY_TOKEN, outboxInMemory, read, TOKENS } from './desk.ts'

type Admin = (request: Request) => Promise<Response>

/** Where the admin is mounted. */
const BASE = '/ops/outbox'

/** A server with the admin at `BASE`; resolves with its port. */
type Mount = (admin: Admin) => Promise<{ readonly port: number; close(): Promise<unknown> }>

function closing(server: Server): () => Promise<void> {
  return async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
}

async function listening(server: Server) {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: (server.address() as AddressInfo).port, close: closing(server) }
}

/** As docs/admin.md has them. */
const MOUNTS: Readonly<Record<string, Mount>> = {
  'node:http': (admin) => listening(createServer(toNodeListener(admin))),

  Express(admin) {
    const app = express()
    app.use(BASE, toNodeListener(admin))
    return listening(createServer(app))
  },

  'Express, behind a parser that keeps the bytes'(admin) {
    const app = express()
    app.use(
      express.json({
        limit: '1mb',
        verify: (request, _response, bytes) => void Object.assign(request, { rawBody: bytes }),
      }),
    )
    // As the listener of every other route.
    app.use(
      (_error: unknown, _request: unknown, response: express.Response, _next: unknown) =>
        void response.status(400).end(),
    )
    app.use(BASE, toNodeListener(admin))
    return listening(createServer(app))
  },

  async Fastify(admin) {
    const app = fastify()
    app.register((scope, _options, registered) => {
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, _body, done) => done(null))
      scope.all(`${BASE}/*`, (request, reply) => {
        reply.hijack()
        toNodeListener(admin)(request.raw, reply.raw)
      })
      registered()
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port, close } = await listening(app.server)
    return { port, close: () => Promise.all([close(), app.close()]) }
  },

  async Hono(admin) {
    const app = new Hono()
    app.all(`${BASE}/*`, (context) => admin(context.req.raw))
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
    if (!server.listening) await once(server, 'listening')
    return listening(server)
  },

  async Nest(admin) {
    class AppModule {}
    Module({})(AppModule)
    // It parses bodies before it asks whatever is mounted.
    const app = await NestFactory.create(AppModule, { logger: false })
    app.use(BASE, toNodeListener(admin))
    await app.listen(0, '127.0.0.1')
    const server = app.getHttpServer() as Server
    return { port: (server.address() as AddressInfo).port, close: closing(server) }
  },
}

/** A proxy that serves the admin at another path, and passes on all as it comes. */
async function proxyTo(port: number, path: string) {
  const server = createServer((incoming, outgoing) => {
    const to = (incoming.url ?? '').replace(path, BASE)
    const { method, headers } = incoming
    const passed = send({ port, host: '127.0.0.1', path: to, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.flushHeaders()
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    outgoing.on('close', () => passed.destroy())
    incoming.pipe(passed)
  })
  return listening(server)
}

for (const [name, mount] of Object.entries(MOUNTS)) {
  describe(`the admin mounted in ${name}`, () => {
    const opened = (async () => {
      const broadcaster = await outboxInMemory()
      const server = await mount(adminHandler(broadcaster, BY_TOKEN))
      const proxy = await proxyTo(server.port, '/public/events')
      return { broadcaster, server, proxy, at: [`${server.port}${BASE}`, `${proxy.port}/public/events`] }
    })()
    after(async () => {
      const { broadcaster, server, proxy } = await opened
      await proxy.close()
      await server.close()
      await broadcaster.close()
    })
    const headers = { authorization: `Bearer ${TOKENS.admin}`, 'content-type': 'application/json' }

    test('answers by itself and behind a proxy with another path, and to nobody without a right', async () => {
      for (const at of (await opened).at) {
        const { status, json } = await read(await fetch(`http://127.0.0.1:${at}/api/status`, { headers }))
        assert.deepEqual([status, json()['outbox']], [200, 'shop'])
        assert.equal((await fetch(`http://127.0.0.1:${at}/api/status`)).status, 401)
        assert.equal((await fetch(`http://127.0.0.1:${at}/api/nothing`, { headers })).status, 404)
        // The address of the page, without the slash at its end in a route that has one.
        const page = await fetch(`http://127.0.0.1:${at}/events`, { headers, redirect: 'manual' })
        assert.match(`${page.status} ${page.headers.get('content-security-policy')}`, /^(200|404) default-src 'none'/)
      }
    })

    test('reads the body of an action', async () => {
      const { broadcaster, at } = await opened
      for (const place of at) {
        const { id } = await failedEvent(broadcaster)
        const body = JSON.stringify({ ids: [id], reason: 'x'.repeat(400) })
        const answer = await fetch(`http://127.0.0.1:${place}/api/actions/requeue`, { method: 'POST', headers, body })
        assert.equal(answer.status, 200, await answer.text())
        assert.equal((await broadcaster.admin.get(id)).status, 'pending')
      }
    })

    test('refuses a body that is too large, or no JSON', async () => {
      for (const place of (await opened).at) {
        const post = (body: string) =>
          fetch(`http://127.0.0.1:${place}/api/actions/requeue`, { method: 'POST', headers, body })
        assert.ok([400, 413].includes((await post(JSON.stringify({ q: 'x'.repeat(200_000) }))).status))
        assert.equal((await post('{"ids":')).status, 400)
      }
    })

    test('tells what changes as it happens, and ends when the listener goes', async () => {
      const { broadcaster, at } = await opened
      for (const place of at) {
        const stop = new AbortController()
        const feed = await fetch(`http://127.0.0.1:${place}/api/live`, { headers, signal: stop.signal })
        assert.equal(feed.headers.get('content-type'), 'text/event-stream')
        const reader = feed.body?.pipeThrough(new TextDecoderStream()).getReader()
        const next = async () => {
          for (let text = ''; ; ) {
            const { value = '', done } = (await reader?.read()) ?? { done: true }
            text += value
            if (done || /event: status/.test(text)) return text
          }
        }
        assert.match(await next(), /event: status/)
        await broadcaster.events.create({ type: 'order.created', source: '/orders' })
        assert.match(await next(), /event: status/)
        stop.abort()
        await reader?.cancel().catch(() => undefined)
      }
    })
  })
}

test('a parser in front that kept no bytes is named, and no number rounded by it is taken', async (t) => {
  const broadcaster = await outboxInMemory()
  const app = express()
  app.use(express.json())
  app.use(BASE, toNodeListener(adminHandler(broadcaster, BY_TOKEN)))
  const server = await listening(createServer(app))
  t.after(server.close)
  const headers = { authorization: `Bearer ${TOKENS.admin}`, 'content-type': 'application/json' }
  const url = `http://127.0.0.1:${server.port}${BASE}/api/actions/requeue`
  const { status, json } = await read(await fetch(url, { method: 'POST', headers, body: '{"ids":[]}' }))
  assert.deepEqual([status, json()['code']], [500, 'BODY_TAKEN'])
  assert.match(String(json()['detail']), /put this handler before whatever parses bodies/)
  const { status: seen } = await fetch(`http://127.0.0.1:${server.port}${BASE}/api/status`, { headers })
  assert.equal(seen, 200, 'what has no body works')
})

async function failedEvent(broadcaster: Broadcaster): Promise<{ readonly id: string }> {
  const { id } = await broadcaster.events.create({ type: 'order.created', source: '/orders' })
  await broadcaster.admin.cancel(id)
  return { id }
}
