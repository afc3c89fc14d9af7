import { TimeLimit } from '../time-limit.ts'
import type { Connections, Target } from './connections.ts'
import { nameOf } from './destination.ts'
import type { Answer } from './exchange.ts'
import { handshakeHeaders, readPermission } from './handshake.ts'
import type { ResolvedHandshake } from './handshake-options.ts'
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
/** How many addresses are remembered before those whose time is over are forgotten. */
const MANY = 1_000

/** Why a destination may not be sent to now. `retryAfter` in milliseconds, when it said so. */
export class NotPermitted extends Error {
  override readonly name = 'NotPermitted'
  readonly retryAfter: number | undefined
  constructor(message: string, retryAfter?: number) {
    super(message)
    this.retryAfter = retryAfter
  }
}

/** The permissions of destinations, asked for before the first event and again when their time is over. */
export class Permissions {
  readonly #asked: ResolvedHandshake
  readonly #connections: Connections
  readonly #timeout: number
  readonly #entries = new Map<string, Entry>()

  /** `timeout` of one handshake, in milliseconds. */
  constructor(asked: ResolvedHandshake, connections: Connections, timeout: number) {
    this.#asked = asked
    this.#connections = connections
    this.#timeout = timeout
  }

  /**
   * The throttle that keeps the rate that was agreed; undefined = no limit. Rejects with `NotPermitted`, or with the
   * error of the connection. Requests to one address ask once.
   */
  async of(
    target: Target,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Throttle | undefined> {
    const entry = this.#entry(target.url.href)
    if (entry.until <= performance.now()) {
      entry.asking ??= this.#ask(target, headers, signal, entry).finally(() => {
        entry.asking = undefined
      })
    }
    await entry.asking
    return entry.throttle
  }

  #entry(href: string): Entry {
    const known = this.#entries.get(href)
    if (known) return known
    if (this.#entries.size >= MANY) {
      const now = performance.now()
      for (const [other, { asking, until }] of this.#entries) {
        if (!asking && until <= now) this.#entries.delete(other)
      }
    }
    const entry: Entry = { asking: undefined, until: Number.NEGATIVE_INFINITY, throttle: undefined }
    this.#entries.set(href, entry)
    return entry
  }

  async #ask(
    target: Target,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    entry: Entry,
  ): Promise<void> {
    const name = nameOf(target.url)
    const answer = await this.#options(target, { ...headers, ...handshakeHeaders(this.#asked) }, signal)
    const permission = readPermission(answer, this.#asked)
    if (!permission.granted) {
      const retryAfter = parseRetryAfter(answer.headers['retry-after'], answer.headers['date'])
      throw new NotPermitted(
        `${name} does not permit events from ${this.#asked.origin}: it ${permission.reason}`,
        retryAfter,
      )
    }
    entry.until = performance.now() + this.#asked.renewAfter
    const { rate } = permission
    // The same rate as before is the same throttle: asking again gives no second helping.
    if (rate === null) entry.throttle = undefined
    else if (entry.throttle?.limit.requests !== rate) {
      entry.throttle = new Throttle({ requests: rate, per: MINUTE, burst: 1 })
    }
  }

  async #options(target: Target, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const limit = new TimeLimit(signal, this.#timeout)
    try {
      return await this.#connections.ask('OPTIONS', target, headers, limit.signal)
    } catch (error) {
      if (limit.timedOut) {
        throw new Error(`the webhook handshake was not answered within ${this.#timeout} ms`)
      }
      // Others may be waiting for this answer whose own send goes on.
      throw signal.aborted ? interruption(signal) : error
    } finally {
      limit.end()
    }
  }
}
