import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { answerText } from './answer-text.ts'

export interface Exchange {
  readonly method: 'POST' | 'HEAD' | 'OPTIONS'
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

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The last characters of the body of an answer that is not 2xx, on one line; empty for others. */
  readonly text: string
}

/** The most of an answer's body that is read, in bytes; the connection of a longer one is given up. */
const MOST_BODY = 16_384
/** How long the body of a 2xx may take, in milliseconds, before its connection is given up. */
const LONGEST_BODY = 1_000

/** The connection ended before an answer, so it is not known what the destination did with the request. */
export class ConnectionCutError extends Error {
  override readonly name = 'ConnectionCutError'
  /** Whether the connection had served an earlier request. */
  readonly reused: boolean
  constructor(cause: Error, reused: boolean) {
    super(cause.message, { cause })
    this.reused = reused
  }
}

/**
 * Sends one request and waits for the answer: once its status has arrived, that counts, whatever happens afterwards.
 * Without one it rejects with `ConnectionCutError`, or the error of the connection or signal. It ends when the signal
 * aborts, whatever the other end does.
 */
export function exchange(request: Exchange): Promise<HttpAnswer> {
  return attempt(request).catch((error: unknown) => {
    // A server may close an idle connection at the very moment when we use it again. A new connection shows whether the
    // server is there at all; without this each such race would count as an outage.
    if (error instanceof ConnectionCutError && error.reused && !request.signal.aborted) return attempt(request)
    throw error
  })
}

function attempt({ method, url, headers, body, agents, signal }: Exchange): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
    const secure = url.protocol === 'https:'
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method,
      agent: secure ? agents.https : agents.http,
      signal,
      headers: { ...headers, ...(method === 'POST' ? { 'content-length': String(length) } : {}) },
    })
    let answered = false
    const begin = (response: IncomingMessage): Omit<HttpAnswer, 'text'> => {
      answered = true
      return { status: response.statusCode ?? 0, headers: singleHeaders(response) }
    }
    request.on('response', (response) => {
      const answer = begin(response)
      const ok = answer.status >= 200 && answer.status < 300
      void readSome(response, ok ? LONGEST_BODY : undefined).then((text) =>
        resolve({ ...answer, text: ok ? '' : text }),
      )
    })
    // 101, which we never ask for: what follows is not HTTP, and the connection is of no use.
    request.on('upgrade', (response, socket) => {
      resolve({ ...begin(response), text: '' })
      socket.destroy()
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      // A server that refuses a large event may answer before it has read all of it, then cut us off.
      if (answered) return
      reject(isCut(error) ? new ConnectionCutError(error, request.reusedSocket) : error)
    })
    // Every request ends with this event: what has no answer by then never will have.
    request.on('close', () => {
      if (!answered) reject(new ConnectionCutError(new Error('the connection was closed'), request.reusedSocket))
    })
    request.end(body ?? undefined)
  })
}

/** Whether an established connection ended, or what came over it is not HTTP (codes of Node's parser). */
function isCut({ code = '' }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE' || code.startsWith('HPE_')
}

/** Reads the body, so that the connection can be reused, but not endlessly. Never rejects. */
function readSome(response: IncomingMessage, patience: number | undefined): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = patience === undefined ? undefined : setTimeout(() => response.destroy(), patience)
    const finish = (): void => {
      clearTimeout(timer)
      resolve(answerText(Buffer.concat(chunks), response.headers['content-encoding']))
    }
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > MOST_BODY) response.destroy()
    })
    response.on('end', finish)
    // What was read until an abort or a lost connection is all that there is.
    response.on('error', finish)
    response.on('close', finish)
  })
}

/** The headers of an answer that we read. */
const READ = ['retry-after', 'date', 'location', 'webhook-allowed-origin', 'webhook-allowed-rate'] as const

function singleHeaders(response: IncomingMessage): Readonly<Record<string, string | undefined>> {
  const { headers } = response
  const single = (name: string): string | undefined => {
    const value = headers[name]
    return typeof value === 'string' ? value : value?.join(', ')
  }
  return Object.fromEntries(READ.map((name) => [name, single(name)]))
}
