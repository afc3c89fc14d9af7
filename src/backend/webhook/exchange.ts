import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https'

export interface Exchange {
  readonly method: 'POST' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
  /** One agent for each protocol. */
  readonly agents: Agents
  readonly signal: AbortSignal
}

export interface Agents {
  readonly http: HttpAgent
  readonly https: HttpsAgent
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The last characters of the body of an answer that is not 2xx; empty for others. */
  readonly text: string
}

/** The most of an answer's body that is read, in bytes; the connection of a longer one is given up. */
const MOST_BODY = 16_384
/** How much of it an error message shows, in characters. */
const SHOWN_BODY = 200

/** Sends one request and waits for the answer. Rejects when there is none, with the error of the connection or signal. */
export function exchange(request: Exchange): Promise<Answer> {
  return attempt(request).catch((error: unknown) => {
    // A server may close a kept connection at the very moment when we use it again. It has answered nothing, and a new
    // connection tells whether it is there at all; without this each such race would count as an outage.
    if (error instanceof ClosedWhenReused && !request.signal.aborted) return attempt(request)
    throw error
  })
}

class ClosedWhenReused extends Error {
  override readonly name = 'ClosedWhenReused'
}

function attempt({ method, url, headers, body, agents, signal }: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
    const secure = url.protocol === 'https:'
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method,
      agent: secure ? agents.https : agents.http,
      signal,
      headers: { ...headers, ...(method === 'POST' ? { 'content-length': String(length) } : {}) },
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      reject(stale ? new ClosedWhenReused(error.message, { cause: error }) : error)
    })
    request.on('response', (response) => {
      const status = response.statusCode ?? 0
      const answer = { status, headers: singleHeaders(response) }
      // The status is the acknowledgement: no need to wait for the rest.
      if (status >= 200 && status < 300) resolve({ ...answer, text: '' })
      readSome(response).then((text) => resolve({ ...answer, text }), reject)
    })
    request.end(body ?? undefined)
  })
}

/** Reads the body, so that its connection can be used again, but not an endless one. */
function readSome(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (): void => resolve(Buffer.concat(chunks).toString('utf8').slice(-SHOWN_BODY).trim())
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size <= MOST_BODY) return
      response.destroy()
      finish()
    })
    response.on('end', finish)
    // What was read until an abort or a lost connection is all that there is: the status counts.
    response.on('error', finish)
    response.on('close', finish)
  })
}

function singleHeaders(response: IncomingMessage): Readonly<Record<string, string | undefined>> {
  const { headers } = response
  return { 'retry-after': headers['retry-after'], date: headers.date, location: headers.location }
}
