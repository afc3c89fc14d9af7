import { BroadcasterError } from '../../errors.ts'
import { encodeBinaryHttp } from '../../event/http.ts'
import { encodeStructured, STRUCTURED_CONTENT_TYPE } from '../../event/structured.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, type BackendHealth, delivered, notDelivered, type SendResult } from '../backend.ts'
import { KeyedGates } from '../keyed-gates.ts'
import { sendByKey } from '../send-by-key.ts'
import { PermanentError } from '../send-error.ts'
import { TimeLimit } from '../time-limit.ts'
import { Connections, type Message } from './connections.ts'
import {
  headerProblems,
  httpUrl,
  type ResolvedWebhookOptions,
  resolveWebhookOptions,
  type WebhookHeaders,
  type WebhookOptions,
} from './options.ts'
import { destinationError, errorOfAnswer, type Reach } from './response-error.ts'

export type { WebhookHeaders, WebhookOptions } from './options.ts'

/** How long the destination may take to answer a HEAD, in milliseconds, after it did not answer a POST in time. */
const LIFE_SIGN_TIMEOUT = 1_000

/**
 * Posts each event to an HTTP endpoint; 2xx is the acknowledgement. The events of a key go one after the other, several
 * keys at the same time. What each answer means is a table in `docs/backends/webhook.md`.
 *
 * @example webhook({ url: 'https://partner.example/events', headers: { authorization: `Bearer ${token}` } })
 */
export function webhook(options: WebhookOptions): Backend {
  const destination = new Webhook(resolveWebhookOptions(options))
  const { maxEventBytes, timeout } = destination.options
  return {
    capabilities: { ordersWithinSend: true },
    maxEventBytes,
    // So that the first requests of a send always get all of their time, and the search for a life sign its own.
    timeout: timeout + LIFE_SIGN_TIMEOUT + 250,
    send: (events, signal) => destination.send(events, signal),
    healthCheck: (signal) => destination.healthCheck(signal),
    close: () => destination.close(),
  }
}

class Webhook {
  readonly options: ResolvedWebhookOptions
  readonly #reach: Reach
  readonly #gates: KeyedGates
  readonly #connections = new Connections()
  readonly #sends = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined
  #answeredAt = Number.NEGATIVE_INFINITY
  #lifeSign: Promise<boolean> | undefined

  constructor(options: ResolvedWebhookOptions) {
    this.options = options
    this.#reach = typeof options.url === 'function' ? 'one-event' : 'all-events'
    this.#gates = new KeyedGates(options.concurrency)
  }

  async send(events: readonly OutboxEvent[], signal: AbortSignal): Promise<readonly SendResult[]> {
    const sending = sendByKey(events, signal, (event) => this.#sendOne(event, signal))
    this.#sends.add(sending)
    try {
      return await sending
    } finally {
      this.#sends.delete(sending)
    }
  }

  async healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const { url, timeout } = this.options
    if (typeof url === 'function') return { healthy: true, detail: 'each event has an address of its own' }
    const started = performance.now()
    const limit = new TimeLimit(signal, timeout)
    try {
      const answer = await this.#connections.head(url, await this.#headers(), limit.signal)
      const latency = performance.now() - started
      const error = errorOfAnswer(answer, nameOf(url), 'all-events')
      // An endpoint need not know HEAD: only what would be an outage for events is ill health.
      if (error?.code === 'SEND_OUTAGE') return { healthy: false, latency, detail: error.message }
      return { healthy: true, latency, detail: `${nameOf(url)} answers` }
    } catch (error) {
      return { healthy: false, detail: `${nameOf(url)} does not answer: ${messageOf(error)}` }
    } finally {
      limit.end()
    }
  }

  /** Lets the requests under way end, each within its timeout, starts none, and closes the connections. */
  close(): Promise<void> {
    return (this.#closing ??= Promise.allSettled(this.#sends).then(() => this.#connections.close()))
  }

  async #sendOne(event: OutboxEvent, signal: AbortSignal): Promise<SendResult> {
    const { url: given } = this.options
    const text = typeof given === 'function' ? given(event) : given
    const url = text instanceof URL ? text : httpUrl(text)
    if (!url)
      return notDelivered(new PermanentError(`the url function returned '${String(text)}', not an http(s) address`))
    const message = await this.#message(event)
    return this.#gates.run(url.origin, async () => {
      if (signal.aborted || this.#closing) return interrupted(signal)
      const limit = new TimeLimit(signal, this.options.timeout)
      const started = performance.now()
      try {
        const { answer, url: last } = await this.#connections.post(
          url,
          message,
          this.options,
          given === url,
          limit.signal,
        )
        this.#answeredAt = performance.now()
        const error = errorOfAnswer(answer, nameOf(last), this.#reach)
        return error ? notDelivered(error) : delivered
      } catch (error) {
        if (signal.aborted) return interrupted(signal)
        return notDelivered(limit.timedOut ? await this.#tooSlow(url, started, signal) : this.#noAnswer(url, error))
      } finally {
        limit.end()
      }
    })
  }

  async #message(event: OutboxEvent): Promise<Message> {
    const userHeaders = await this.#headers()
    try {
      const encodable = event.toEncodable()
      if (this.options.mode === 'binary') {
        const { headers, body } = encodeBinaryHttp(encodable)
        return { eventHeaders: headers, userHeaders, body }
      }
      const eventHeaders = { 'content-type': STRUCTURED_CONTENT_TYPE }
      return { eventHeaders, userHeaders, body: encodeStructured(encodable) }
    } catch (cause) {
      throw new PermanentError(`the event cannot be written as a request: ${messageOf(cause)}`, { cause })
    }
  }

  async #headers(): Promise<WebhookHeaders> {
    const headers = await this.options.headers()
    const [problem] = headerProblems(headers)
    if (problem === undefined) return { 'user-agent': 'ts-broadcaster', ...headers }
    throw new BroadcasterError('INVALID_OPTION', `the headers function of webhook() ${problem}`, { field: 'headers' })
  }

  #noAnswer(url: URL, cause: unknown): BroadcasterError {
    return destinationError(this.#reach, `no answer from ${nameOf(url)}: ${messageOf(cause)}`, { cause })
  }

  /**
   * No answer in time. If the destination has answered anybody since, or answers a HEAD now, this event is what it
   * cannot deal with: a failure, or the event would hold up all others for ever. If it is silent altogether, it is away.
   */
  async #tooSlow(url: URL, started: number, signal: AbortSignal): Promise<BroadcasterError> {
    const message = `no answer from ${nameOf(url)} within ${this.options.timeout} ms`
    if (this.#reach === 'one-event') return destinationError('one-event', message)
    if (this.#answeredAt > started) return new BroadcasterError('SEND_TIMEOUT', message)
    this.#lifeSign ??= this.#answersHead(url, signal).finally(() => {
      this.#lifeSign = undefined
    })
    return (await this.#lifeSign)
      ? new BroadcasterError('SEND_TIMEOUT', `${message}, though it answers a HEAD`)
      : destinationError('all-events', message)
  }

  async #answersHead(url: URL, signal: AbortSignal): Promise<boolean> {
    const limit = new TimeLimit(signal, LIFE_SIGN_TIMEOUT)
    try {
      await this.#connections.head(url, await this.#headers(), limit.signal)
      return true
    } catch {
      return false
    } finally {
      limit.end()
    }
  }
}

/** Whether the destination took the event is not known, or it was not sent: either way the event is not to blame. */
function interrupted(signal: AbortSignal): SendResult {
  return notDelivered(
    new BroadcasterError('SEND_NOT_ATTEMPTED', 'the send ended before the destination answered', {
      cause: signal.reason,
    }),
  )
}

/** The address for people, without credentials and query, which may be secrets. */
function nameOf(url: URL): string {
  return `${url.origin}${url.pathname}`
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node gives an AggregateError without a message when it tried several addresses.
  return error.message || ('code' in error ? String(error.code) : error.name)
}
