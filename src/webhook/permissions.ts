import { TimeLimit } from '../backend/time-limit.ts'
import { nameOf } from './destination.ts'
import type { HttpAnswer } from './exchange.ts'
import type { ResolvedHandshake } from './handshake-options.ts'
import type { HttpConnections, RequestTarget } from './http-connections.ts'
import { interruption } from './response-error.ts'
import { parseRetryAfter } from './retry-after.ts'
import { Throttle } from './throttle.ts'

interface Entry {
  /** Set while permission is asked for. */
  asking: Promise<void> | undefined
  /** On `performance.now()`. */
  until: number
  throttle: Throttle | undefined
}

const MINUTE = 60_000
/** How many addresses are remembered before expired ones are forgotten. */
const MANY = 1_000

/** Why a destination may not be sent to now. `retryAfter` in milliseconds, when it said so. */
export class NotPermittedError extends Error {
  override readonly name = 'NotPermittedError'
  readonly retryAfter: number | undefined
  constructor(message: string, retryAfter?: number) {
    super(message)
    this.retryAfter = retryAfter
  }
}

export type Permissions = ReturnType<typeof permissions>

/**
 * The permissions of destinations, asked for before the first event and again when they expire. `timeout` of one
 * handshake, in milliseconds.
 */
export function permissions(asked: ResolvedHandshake, connections: HttpConnections, timeout: number) {
  const entries = new Map<string, Entry>()

  /**
   * The throttle for the agreed rate; undefined = no limit. Rejects with `NotPermittedError`, or with the error of the
   * connection. Concurrent requests to one address ask once.
   */
  async function of(
    target: RequestTarget,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Throttle | undefined> {
    const entry = entryOf(target.url.href)
    if (entry.until <= performance.now()) {
      entry.asking ??= ask(target, headers, signal, entry).finally(() => {
        entry.asking = undefined
      })
    }
    await entry.asking
    return entry.throttle
  }

  function entryOf(href: string): Entry {
    const known = entries.get(href)
    if (known) return known
    if (entries.size >= MANY) {
      const now = performance.now()
      for (const [other, { asking, until }] of entries) {
        if (!asking && until <= now) entries.delete(other)
      }
    }
    const entry: Entry = { asking: undefined, until: Number.NEGATIVE_INFINITY, throttle: undefined }
    entries.set(href, entry)
    return entry
  }

  async function ask(
    target: RequestTarget,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    entry: Entry,
  ): Promise<void> {
    const name = nameOf(target.url)
    const answer = await askOptions(target, { ...headers, ...handshakeHeaders(asked) }, signal)
    const permission = readPermission(answer, asked)
    if (!permission.granted) {
      const retryAfter = parseRetryAfter(answer.headers['retry-after'], answer.headers['date'])
      throw new NotPermittedError(
        `${name} does not permit events from ${asked.origin}: it ${permission.reason}`,
        retryAfter,
      )
    }
    entry.until = performance.now() + asked.renewAfter
    const { rate } = permission
    // The same rate keeps its throttle: asking again must not grant another burst.
    if (rate === null) entry.throttle = undefined
    else if (entry.throttle?.limit.requests !== rate) {
      entry.throttle = new Throttle({ requests: rate, per: MINUTE, burst: 1 })
    }
  }

  async function askOptions(
    target: RequestTarget,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const limit = new TimeLimit(signal, timeout)
    try {
      return await connections.ask('OPTIONS', target, headers, limit.signal)
    } catch (error) {
      if (limit.timedOut) {
        throw new Error(`the webhook handshake was not answered within ${timeout} ms`)
      }
      // Other sends, which go on, may be waiting for this answer.
      throw signal.aborted ? interruption(signal) : error
    } finally {
      limit.end()
    }
  }

  return { of }
}

/** The destination's answer to our request for permission. */
type Permission =
  /** `rate` in requests a minute; null = no limit. */
  { readonly granted: true; readonly rate: number | null } | { readonly granted: false; readonly reason: string }

/** The headers of the request for permission (CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4.1). */
function handshakeHeaders({ origin, rate }: ResolvedHandshake): Readonly<Record<string, string>> {
  return {
    'webhook-request-origin': origin,
    ...(rate === undefined ? {} : { 'webhook-request-rate': String(rate) }),
  }
}

/** Reads the answer to it (section 4.2): the headers alone permit; the specification says not to rely on the status. */
function readPermission({ status, headers }: HttpAnswer, asked: ResolvedHandshake): Permission {
  const origin = headers['webhook-allowed-origin']?.trim()
  const rate = headers['webhook-allowed-rate']?.trim()
  if (!origin) {
    return { granted: false, reason: `answered ${status} to OPTIONS without WebHook-Allowed-Origin` }
  }
  if (origin !== '*' && origin.toLowerCase() !== asked.origin.toLowerCase()) {
    return { granted: false, reason: `permits events from ${shown(origin)}, and we are ${asked.origin}` }
  }
  if (rate === '*') return { granted: true, rate: null }
  // It must name a rate when asked for one; if it does not, the rate that we asked for is all we may assume.
  if (!rate) return { granted: true, rate: asked.rate ?? null }
  const perMinute = /^\d{1,9}$/.test(rate) ? Number(rate) : 0
  if (perMinute > 0) return { granted: true, rate: perMinute }
  return { granted: false, reason: `permits a rate of ${shown(rate)}, which is not a number of requests a minute` }
}

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
