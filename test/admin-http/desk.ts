import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Broadcaster } from 'ts-broadcaster'
import { type AdminHandlerOptions, adminHandler, toNodeListener } from 'ts-broadcaster/admin'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'

/** A token of a test. */
export const TOKENS = {
  viewer: 'viewer-0123456789abcdef',
  operator: 'operator-0123456789abcdef',
  admin: 'admin-0123456789abcdef',
} as const

/** The three tokens, as options. */
export const BY_TOKEN = {
  token: [
    { token: TOKENS.viewer, user: 'vera', role: 'viewer' },
    { token: TOKENS.operator, user: 'otto', role: 'operator' },
    { token: TOKENS.admin, user: 'anna', role: 'admin' },
  ],
} satisfies AdminHandlerOptions

/** Asks a handler, without a server. */
export type Ask = (path: string, init?: RequestInit & { readonly as?: keyof typeof TOKENS }) => Promise<Answer>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The text as JSON. */
  json<T = Record<string, unknown>>(): T
}

/** An outbox in memory with two backends. */
export async function outboxInMemory(name = 'shop') {
  const store = memoryStore()
  await store.schema.migrate()
  return new Broadcaster({
    name,
    store,
    backends: { default: memoryBackend(), partners: memoryBackend() },
    logger: false,
  })
}

/** Asks `handler` below `base`, with a token unless `as` is left out. */
export function asking(handler: (request: Request) => Promise<Response>, base = '/ops/'): Ask {
  return async (path, { as, headers, body, method, ...init } = {}) => {
    const all = new Headers(headers)
    if (as !== undefined) all.set('authorization', `Bearer ${TOKENS[as]}`)
    if (body !== undefined && !all.has('content-type')) all.set('content-type', 'application/json')
    const given = { ...init, headers: all, method: method ?? (body === undefined ? 'GET' : 'POST') }
    const request = new Request(`http://outbox.example${base}${path}`, body === undefined ? given : { ...given, body })
    return read(await handler(request))
  }
}

/** What an answer says. */
export async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: <T>() => JSON.parse(text) as T }
}

/** A handler behind `node:http`, at a port of the loopback. */
export async function listening(handler: (request: Request) => Promise<Response>) {
  const server = createServer(toNodeListener(handler)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

export { adminHandler }
