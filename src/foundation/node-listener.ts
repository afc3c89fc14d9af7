import type { IncomingMessage, ServerResponse } from 'node:http'
import { BroadcasterError } from '../errors.ts'
import { noteArrival } from './arrival.ts'
import { describeError } from './describe-error.ts'
import { describeKind } from './describe-kind.ts'
import { hasMethods } from './option-kinds.ts'

/** Somebody in front of the listener read the body, and kept no bytes of it. */
export class BodyTakenError extends Error {
  override readonly name = 'BodyTakenError'

  constructor() {
    super(
      'the body was read already; put this handler before whatever parses bodies, or let that keep its bytes as rawBody',
    )
  }
}

/**
 * Makes a receiver a listener of `node:http`, and so a handler for Express, Connect or Fastify's raw server. Nothing in
 * front of it may read the body, unless it keeps the bytes, as `rawBody` or as `body`: signatures cover them. A request that cannot be read is answered 400; when
 * `receive` throws, the answer is 500 and the error goes to standard error. Throws `INVALID_OPTION` for anything but a
 * function.
 *
 * @example createServer(toNodeListener(webhookReceiver({ ... }))).listen(8080)
 */
export function toNodeListener(
  receive: (request: Request) => Promise<Response>,
): (request: IncomingMessage, response: ServerResponse) => void {
  if (typeof receive !== 'function') {
    const message = `toNodeListener(): receive is ${describeKind(receive)}; give a function of a Request, such as webhookReceiver({ ... }) or metrics.handle`
    throw new BroadcasterError('INVALID_OPTION', message, { field: 'receive', value: receive })
  }
  return (request, response) => void listen(receive, request, response).catch(() => response.destroy())
}

/** How long the rest of an unwanted body is read and dropped so that the answer arrives, in milliseconds. */
const LINGER = 1_000

async function listen(
  receive: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const request = readable(incoming)
  const response = request ? await answerTo(request, receive) : new Response(null, { status: 400 })
  outgoing.on('error', () => undefined)
  const headers = Object.fromEntries(response.headers)
  if (!incoming.complete) {
    // The rest of the body may never end, and the next request on this connection would come after it.
    if (incoming.httpVersionMajor === 1) headers['connection'] = 'close'
    const linger = setTimeout(() => incoming.destroy(), LINGER)
    incoming.once('close', () => clearTimeout(linger))
    incoming.once('end', () => clearTimeout(linger))
  }
  outgoing.writeHead(response.status, headers)
  if (response.body && headers['content-type'] === 'text/event-stream') await passOn(response.body, outgoing)
  else outgoing.end(Buffer.from(await response.arrayBuffer()))
  // The body was not wanted: Node reads and drops it.
  if (request?.body?.locked === false) await request.body.cancel().catch(() => undefined)
}

/** Hands on each piece when it is there, as long as somebody listens; a slow listener is waited for. */
async function passOn(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader()
  const gone = new Promise<void>((resolve) => outgoing.once('close', resolve))
  outgoing.once('close', () => void reader.cancel().catch(() => undefined))
  outgoing.flushHeaders()
  for (;;) {
    const { done, value } = await reader.read()
    if (done || outgoing.destroyed) break
    if (!outgoing.write(value)) {
      await Promise.race([gone, new Promise<void>((resolve) => outgoing.once('drain', resolve))])
    }
  }
  outgoing.end()
}

/** Undefined: it has a URL, method or header that the Fetch API does not accept. */
function readable(incoming: IncomingMessage): Request | undefined {
  try {
    const request = requestOf(incoming)
    const { socket, url = '/' } = incoming
    // Where Express and Connect keep the full address when they cut off the path at which a handler is mounted.
    const original: unknown = Reflect.get(incoming, 'originalUrl')
    const { pathname } = new URL(typeof original === 'string' ? original : url, 'http://localhost')
    const encrypted = Reflect.get(socket, 'encrypted') === true
    noteArrival(request, { remoteAddress: socket.remoteAddress, encrypted, originalPath: pathname })
    return request
  } catch {
    return undefined
  }
}

async function answerTo(request: Request, receive: (request: Request) => Promise<Response>): Promise<Response> {
  try {
    const response = await receive(request)
    if (hasMethods(response, ['arrayBuffer'])) return response
    throw new TypeError(`the function gave ${describeKind(response)}, not a Response`)
  } catch (error) {
    const { method, url } = request
    const line = `${new Date().toISOString()} broadcaster: ${method} ${new URL(url).pathname} is answered 500: ${describeError(error)}`
    console.error(line)
    return new Response(null, { status: 500 })
  }
}

function requestOf(incoming: IncomingMessage): Request {
  const headers = new Headers()
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    // Pseudo-headers of HTTP/2 begin with a colon.
    if (!name.startsWith(':')) for (const value of values) headers.append(name, value)
  }
  const { method = 'GET', url = '/' } = incoming
  const init = { method, headers }
  const address = new URL(url, 'http://localhost')
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return new Request(address, init)
  const kept = keptBytes(incoming)
  if (kept) return new Request(address, { ...init, body: kept })
  return new Request(address, { ...init, body: bodyOf(incoming), duplex: 'half' })
}

/** What a parser in front kept of the body it read; what it made of it is not taken, since big numbers are rounded in that. */
function keptBytes(incoming: IncomingMessage): Uint8Array<ArrayBuffer> | undefined {
  if (!incoming.readableEnded) return undefined
  const kept: unknown[] = [Reflect.get(incoming, 'rawBody'), Reflect.get(incoming, 'body')]
  const bytes = kept.find((each) => each instanceof Uint8Array)
  return bytes && Uint8Array.from(bytes)
}

/** The body as a stream. Cancelling it leaves the connection open; with `Readable.toWeb` it would be destroyed. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let cancelled = false
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (incoming.readableEnded || incoming.destroyed) {
        controller.error(new BodyTakenError())
        return
      }
      // One read of the socket may hold ten thousand one-byte pieces: they are handed on as one.
      let pieces: Uint8Array[] = []
      const handOn = (): void => {
        const some = pieces
        pieces = []
        if (cancelled || some.length === 0) return
        controller.enqueue(some.length === 1 && some[0] ? some[0] : Buffer.concat(some))
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause()
      }
      incoming.on('data', (piece: Uint8Array) => {
        if (cancelled) return
        if (pieces.push(piece) === 1) queueMicrotask(handOn)
      })
      incoming.once('end', () => {
        handOn()
        if (!cancelled) controller.close()
      })
      incoming.once('error', (error) => {
        if (!cancelled) controller.error(error)
      })
    },
    pull() {
      incoming.resume()
    },
    cancel() {
      // An answer now means that the rest is not wanted: Node reads and drops it.
      cancelled = true
      incoming.resume()
    },
  })
}
