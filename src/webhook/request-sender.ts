import { boundedCall } from '../backend/bounded-call.ts'
import { isMissingDependency, OutageError, PermanentError } from '../backend/send-error.ts'
import { TimeLimit } from '../backend/time-limit.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { onOneLine } from './answer-text.ts'
import { type Destination, nameOf } from './destination.ts'
import { ConnectionCutError, type HttpAnswer } from './exchange.ts'
import { HttpConnections, type RequestTarget } from './http-connections.ts'
import { type Message, unwritable } from './message.ts'
import { headerProblems, type ResolvedWebhookOptions, type WebhookHeaders } from './options.ts'
import { NotPermittedError, type Permissions, permissions } from './permissions.ts'
import { Places, type WebhookPlace } from './places.ts'
import { PrivateAddressError } from './private-networks.ts'
import {
  addressError,
  interruption,
  mayRefuseOne,
  placeError,
  type Reach,
  type Refusal,
  refusalOfAnswer,
  refusalOfOne,
} from './response-error.ts'
import { prepareSigning, signRequest } from './signature.ts'
import type { SigningKey } from './signing-key.ts'
import { KeyedThrottles, type Throttle } from './throttle.ts'

/** The most that is kept of a foreign error's message, in characters. */
const LONGEST_MESSAGE = 500
/** How long a destination may take to answer a HEAD, in ms, after a POST that it refused or did not answer. */
export const LIFE_SIGN_TIMEOUT = 1_000

/** Delivers one message: permission, a turn, a signature, a request, and what its answer means. */
export class RequestSender {
  readonly #options: ResolvedWebhookOptions
  readonly #reach: Reach
  readonly #connections: HttpConnections
  readonly #permissions: Permissions | undefined
  readonly #places: Places
  readonly #throttles: KeyedThrottles | undefined
  /** A request could not be signed: with keys from a function this is known only then. */
  #lacksPackage = false
  /** Aborts when the backend closes: nothing new is started. */
  readonly #closing = new AbortController()
  /** The HEAD requests in flight, by address. */
  readonly #lifeSigns = new Map<string, Promise<HttpAnswer | undefined>>()

  constructor(options: ResolvedWebhookOptions) {
    this.#options = options
    this.#reach = typeof options.url === 'function' ? 'one-address' : 'all-events'
    this.#connections = new HttpConnections(options)
    this.#permissions = options.handshake && permissions(options.handshake, this.#connections, options.timeout)
    this.#places = new Places(options.concurrency)
    this.#throttles = options.rateLimit && new KeyedThrottles(options.rateLimit)
  }

  /** Resolves with why it was not delivered; undefined = it was. Never rejects. */
  async deliver(
    { target, keys, place }: Destination,
    message: Message,
    signal: AbortSignal,
    mayBegin: () => boolean = () => true,
  ): Promise<Refusal | undefined> {
    if (signal.aborted || this.#closing.signal.aborted) return notSent
    try {
      const agreed = await this.permission(target, signal)
      return await this.#places.run(place, async (now) => {
        const turns = [agreed, this.#throttles?.of(target.url.origin)]
        if (!mayBegin() || !(await this.#turns(turns, signal))) return notSent
        return this.#post(target, keys, message, signal, now)
      })
    } catch (error) {
      return this.#refusalOf(target, error, signal)
    }
  }

  /** Loads what signing with these keys needs, or a request has needed. Rejects with `MISSING_DEPENDENCY`. */
  async prepareSigning(keys: readonly SigningKey[]): Promise<void> {
    await prepareSigning(keys, this.#lacksPackage)
    this.#lacksPackage = false
  }

  /** Finds out, before there is an event, whether sending is possible and permitted. Rejects with what is wrong. */
  async prepare(target: RequestTarget | undefined, keys: readonly SigningKey[], signal: AbortSignal): Promise<void> {
    await this.prepareSigning(keys)
    if (!target) return
    try {
      await this.permission(target, signal)
    } catch (error) {
      throw this.#refusalOf(target, error, signal).error
    }
  }

  /** The throttle of the rate that was agreed with the destination, if any. */
  async permission(target: RequestTarget, signal: AbortSignal): Promise<Throttle | undefined> {
    return this.#permissions?.of(target, await this.headers(signal), signal)
  }

  /** Sends a HEAD: whether anything at the address answers HTTP at all. */
  async head(target: RequestTarget, signal: AbortSignal): Promise<HttpAnswer> {
    return this.#connections.ask('HEAD', target, await this.headers(signal), signal)
  }

  /**
   * The user's headers for requests to the destination itself. A function may take as long as a request. Rejects with
   * `OutageError`: no event is to blame.
   */
  async headers(signal: AbortSignal): Promise<WebhookHeaders> {
    const { headers: given, handshake, timeout } = this.#options
    let headers: WebhookHeaders
    if (typeof given === 'function') {
      try {
        headers = await boundedCall('the headers function of webhook()', timeout, signal, given)
      } catch (cause) {
        if (signal.aborted) throw cause
        throw new OutageError(`the headers function of webhook() failed: ${quotedMessage(cause)}`, { cause })
      }
      const [problem] = headerProblems(headers)
      if (problem !== undefined) throw new OutageError(`what the headers function of webhook() returned ${problem}`)
    } else headers = given
    const origin = handshake ? { 'webhook-request-origin': handshake.origin } : {}
    return { 'user-agent': 'ts-broadcaster', ...headers, ...origin }
  }

  /** Starts no more messages; those in flight go on. */
  stop(): void {
    this.#closing.abort()
  }

  close(): void {
    this.#connections.close()
  }

  async #turns(throttles: readonly (Throttle | undefined)[], signal: AbortSignal): Promise<boolean> {
    const closing = this.#closing.signal
    const stop = new AbortController()
    const end = (): void => stop.abort()
    for (const outer of [signal, closing]) outer.addEventListener('abort', end, { once: true })
    try {
      for (const throttle of throttles) if (throttle && !(await throttle.turn(stop.signal))) return false
    } finally {
      for (const outer of [signal, closing]) outer.removeEventListener('abort', end)
    }
    return !signal.aborted && !closing.aborted
  }

  async #post(
    target: RequestTarget,
    keys: readonly SigningKey[],
    { id, headers, body }: Message,
    signal: AbortSignal,
    place: WebhookPlace,
  ): Promise<Refusal | undefined> {
    const userHeaders = await this.headers(signal)
    const signature = keys.length === 0 ? {} : await signRequest(keys, id, body, Date.now())
    const parcel = { eventHeaders: { ...headers, ...signature }, userHeaders, body }
    const limit = new TimeLimit(signal, this.#options.timeout)
    const started = performance.now()
    try {
      const { answer, url } = await this.#connections.post(target, parcel, limit.signal)
      place.answeredAt = performance.now()
      limit.end()
      return await this.#answered(target, answer, nameOf(url), signal)
    } catch (error) {
      if (signal.aborted) throw error
      if (limit.timedOut) return this.#tooSlow(target, place.answeredAt > started, signal)
      if (error instanceof ConnectionCutError) return this.#cut(target, error, signal)
      throw error
    } finally {
      limit.end()
    }
  }

  #refusalOf({ url }: RequestTarget, error: unknown, signal: AbortSignal): Refusal {
    if (error instanceof NotPermittedError) {
      return { error: addressError(this.#reach, error.message, error), refuses: 'everything' }
    }
    if (isMissingDependency(error)) this.#lacksPackage = true
    if (error instanceof BroadcasterError) return { error, refuses: 'everything' }
    if (signal.aborted) return { error: interruption(signal), refuses: 'everything' }
    if (isUnwritable(error)) return { error: unwritable(error), refuses: 'message' }
    if (error instanceof PrivateAddressError && this.#reach === 'one-address') {
      return { error: new PermanentError(`${nameOf(url)} is refused: ${error.message}`), refuses: 'everything' }
    }
    const message = `no answer from ${nameOf(url)}: ${quotedMessage(error)}`
    return { error: placeError(message, { cause: error }), refuses: 'everything' }
  }

  /** One event that makes a destination answer as if it were down must not hold up all others for ever. */
  async #answered(
    target: RequestTarget,
    answer: HttpAnswer,
    name: string,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const refusal = refusalOfAnswer(answer, name, this.#reach)
    if (!refusal || !mayRefuseOne(answer)) return refusal
    const head = await this.#askLifeSign(target, signal)
    return (head && refusalOfOne(answer, refusal, head)) ?? refusal
  }

  /**
   * No answer in time. If the destination has answered another request since, or answers a HEAD now, this message is
   * what it cannot deal with: a failure, or it would hold up all others for ever. If it is completely silent, it is
   * down.
   */
  async #tooSlow(target: RequestTarget, answeredSince: boolean, signal: AbortSignal): Promise<Refusal> {
    const message = `no answer from ${nameOf(target.url)} within ${this.#options.timeout} ms`
    if (answeredSince) return { error: new BroadcasterError('SEND_TIMEOUT', message), refuses: 'time' }
    return (await this.#askLifeSign(target, signal))
      ? { error: new BroadcasterError('SEND_TIMEOUT', `${message}, though it answers a HEAD`), refuses: 'time' }
      : { error: placeError(message), refuses: 'everything' }
  }

  /** The connection ended without an answer: the destination went away, or it cuts off what it does not accept. */
  async #cut(target: RequestTarget, cause: ConnectionCutError, signal: AbortSignal): Promise<Refusal> {
    const message = `no answer from ${nameOf(target.url)}: ${quotedMessage(cause)}`
    // Without its cause: the code in it would mean an outage.
    return (await this.#askLifeSign(target, signal))
      ? { error: new BroadcasterError('SEND_FAILED', `${message}, though it answers a HEAD`), refuses: 'message' }
      : { error: placeError(message, { cause }), refuses: 'everything' }
  }

  /** The answer to a HEAD, if any; one request for concurrent callers. */
  #askLifeSign(target: RequestTarget, signal: AbortSignal): Promise<HttpAnswer | undefined> {
    const { href } = target.url
    const known = this.#lifeSigns.get(href)
    if (known !== undefined) return known
    const asking = this.#answerToHead(target, signal).finally(() => this.#lifeSigns.delete(href))
    this.#lifeSigns.set(href, asking)
    return asking
  }

  async #answerToHead(target: RequestTarget, signal: AbortSignal): Promise<HttpAnswer | undefined> {
    const limit = new TimeLimit(signal, LIFE_SIGN_TIMEOUT)
    try {
      return await this.head(target, limit.signal)
    } catch {
      return undefined
    } finally {
      limit.end()
    }
  }
}

/** Node's codes for a request that HTTP cannot carry. The user's headers were checked, so it is the event's fault. */
const UNWRITABLE: ReadonlySet<unknown> = new Set([
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_HTTP_INVALID_HEADER_VALUE',
  'ERR_UNESCAPED_CHARACTERS',
])

function isUnwritable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && UNWRITABLE.has(error.code)
}

/** Nothing was sent: it costs nothing, and goes with a later send. */
const notSent: Refusal = {
  error: new BroadcasterError('SEND_NOT_ATTEMPTED', 'the request was not begun any more'),
  refuses: 'everything',
}

/** The message may quote the other end, such as names in its certificate. */
export function quotedMessage(error: unknown): string {
  return onOneLine(errorMessage(error), LONGEST_MESSAGE)
}
