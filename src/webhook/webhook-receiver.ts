import { setTimeout as sleep } from 'node:timers/promises'
import { TimeLimit } from '../backend/time-limit.ts'
import { type HandlingParts, handleOnce, OUTCOME_SIGNALS } from '../consumer/handling.ts'
import { type Verdict, verdictOn } from '../consumer/verdict.ts'
import type { Catalogue, NoCatalogue } from '../event/catalogue.ts'
import type { EncodableEvent } from '../event/cloud-event.ts'
import { isMediaType, isUtf8Type } from '../event/content-type.ts'
import { type ContentMode, contentModeOf, decodeHttp } from '../event/http.ts'
import { ReceivedEvent } from '../event/received-event.ts'
import { SignalSource } from '../telemetry/signals.ts'
import { ByteBudget } from './byte-budget.ts'
import {
  resolveReceiverOptions,
  WEBHOOK_MESSAGING,
  type WebhookReceiverOptions,
  type WebhookReceiverSettings,
} from './receiver-options.ts'
import { BodyTooLargeError, BodyTooSlowError, type HeldBody, NoRoomForBodyError, readBody } from './request-body.ts'
import { type Unverified, unverifiable, verifyRequest } from './signature.ts'
import { WebhookSignatureError } from './verify-webhook.ts'

export { toNodeListener } from '../foundation/node-listener.ts'
export type { WebhookReceiverOptions } from './receiver-options.ts'

/** A route for anything that speaks the Fetch API. */
export interface WebhookReceiver {
  /** Answers one HTTP request. Never rejects. */
  (request: Request): Promise<Response>
  /**
   * Await it before the server listens: throws `SCHEMA_MISSING` and the like when there is no inbox in the database.
   * Otherwise each request is then answered with 503, and the log says why.
   */
  check(): Promise<void>
}

/**
 * Receives the events that a webhook posts, ours or any CloudEvents sender's: verifies the signature, handles each
 * event once, and answers when that is committed. It opens nothing and needs no close. What each answer means is a
 * table in `docs/backends/webhook.md`. Throws `INVALID_OPTION`.
 *
 * @example
 * const receive = webhookReceiver({
 *   name: 'billing',
 *   keys: 'whsec_...',
 *   store,
 *   handlers: { 'order.created': async (event, { tx }) => tx.query('INSERT INTO invoices ...', [event.data]) },
 * })
 * app.all('/events', (c) => receive(c.req.raw)) // Hono
 */
export function webhookReceiver<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue>(
  options: WebhookReceiverOptions<Tx, Events>,
): WebhookReceiver {
  const { handling, settings } = resolveReceiverOptions(options)
  const receiver = new Receiver(handling, settings)
  return Object.assign((request: Request) => receiver.receive(request), {
    check: async (): Promise<void> => void (await handling.once?.inbox.check()),
  })
}

/** Attempts within one request at what may succeed at once: a lost race, a connection that was just replaced. */
const MOST_ATTEMPTS = 3
/** The longest wait between them, in milliseconds; the sender waits for its answer meanwhile. */
const LONGEST_WAIT = 250
/** After this many events old inbox entries are deleted: up to twice as many, so that they do not pile up. */
const PRUNE_EVERY = 100

/** Only the sender retries, so of the rules only the class of a failure matters. */
const RULES = { retry: () => 0, maxRetries: Number.POSITIVE_INFINITY }

class Receiver<Tx> {
  readonly #handling: HandlingParts<Tx>
  readonly #settings: WebhookReceiverSettings
  readonly #signals: SignalSource
  readonly #budget: ByteBudget
  /** Random, for processes that end before the count is reached. */
  #handledSincePruning = Math.floor(Math.random() * PRUNE_EVERY)

  constructor(handling: HandlingParts<Tx>, settings: WebhookReceiverSettings) {
    this.#handling = handling
    this.#settings = settings
    this.#budget = new ByteBudget(settings.maxTotalBytes)
    this.#signals = new SignalSource(handling.consumer, handling.logger)
  }

  async receive(request: Request): Promise<Response> {
    try {
      if (request.method === 'OPTIONS') return answerHandshake(request, this.#settings)
      if (request.method === 'POST') return await this.#post(request)
      return answer(405, 'events are sent by POST', { allow: 'POST' })
    } catch (error) {
      this.#complain(error)
      return this.#later(500, 'the request could not be handled', 0)
    }
  }

  async #post(request: Request): Promise<Response> {
    const mode = carriedMode(request)
    if (mode === undefined) return answer(415, 'no CloudEvent in JSON, and none in binary mode')
    if (mode === 'binary' && !this.#settings.binary) return answer(415, 'events in binary mode are not accepted here')
    const { keys, tolerance, maxBytes, bodyTimeout } = this.#settings
    // A request without a signature, or with an old one, is refused before its body is read.
    const problem = keys && unverifiable(request.headers, Date.now(), tolerance)
    if (problem) return this.#unverified(problem)
    let body: HeldBody
    try {
      body = await readBody(request, { maxBytes, timeout: bodyTimeout }, this.#budget)
    } catch (error) {
      if (error instanceof BodyTooLargeError) return answer(413, `more than ${maxBytes} bytes`)
      this.#complain(error)
      if (error instanceof BodyTooSlowError) return answer(408, 'the body came too slowly')
      if (error instanceof NoRoomForBodyError) return this.#later(503, 'no body can be accepted now', 0)
      return answer(400, 'the body could not be read')
    }
    try {
      const verified = keys && verifyRequest(keys, request.headers, body.bytes, Date.now(), tolerance)
      if (verified && 'reason' in verified) return this.#unverified(verified)
      return await this.#handleAll(request, mode, body.bytes)
    } finally {
      body.release()
    }
  }

  #unverified({ reason }: Unverified): Response {
    this.#complain(new WebhookSignatureError(reason))
    return answer(401, 'the signature was not verified')
  }

  async #handleAll({ headers }: Request, mode: ContentMode, body: Uint8Array): Promise<Response> {
    let events: readonly EncodableEvent[]
    try {
      events = decodeHttp(headers, body)
    } catch (error) {
      const { consumer } = this.#handling
      this.#signals.emit('delivery.failed', {
        consumer,
        messaging: WEBHOOK_MESSAGING,
        event: undefined,
        attempt: 0,
        duration: null,
        error,
      })
      return answer(400, error instanceof Error ? error.message : 'not a CloudEvent')
    }
    const id = headers.get('webhook-id') ?? ''
    for (const [n, event] of events.entries()) {
      const position = `webhook ${id}${mode === 'batch' ? `[${n}]` : ''}`
      const verdict = await this.#handle(event, position)
      if (verdict) return this.#refusal(verdict)
    }
    await this.#prune()
    return new Response(null, { status: 204 })
  }

  /** Resolves with why it was not handled; undefined = handled, now or before, or no handler wants it. */
  async #handle(received: EncodableEvent, position: string): Promise<Verdict | undefined> {
    const { consumer } = this.#handling
    for (let attempt = 1; ; attempt++) {
      const started = performance.now()
      const verdict = await this.#attempt(received, position, attempt)
      if (!verdict) return undefined
      const duration = performance.now() - started
      const { error } = verdict
      if (verdict.kind === 'give-up') {
        const event = new ReceivedEvent(received)
        this.#signals.emit('delivery.failed', {
          consumer,
          messaging: WEBHOOK_MESSAGING,
          event,
          attempt,
          duration,
          error,
        })
        return verdict
      }
      const again = !verdict.counted && attempt < MOST_ATTEMPTS && verdict.delay <= LONGEST_WAIT
      const delay = again ? verdict.delay : Math.max(verdict.delay, this.#settings.retryAfter)
      if (this.#signals.has('delivery.retried')) {
        const event = new ReceivedEvent(received)
        this.#signals.emit('delivery.retried', {
          consumer,
          messaging: WEBHOOK_MESSAGING,
          event,
          attempt,
          delay,
          duration,
          error,
        })
      }
      if (!again) return verdict
      await sleep(delay)
    }
  }

  async #attempt(received: EncodableEvent, position: string, attempt: number): Promise<Verdict | undefined> {
    const limit = new TimeLimit(new AbortController().signal, this.#settings.handlerTimeout)
    const started = performance.now()
    try {
      const context = { signal: limit.signal, attempt, deliveries: 1, position }
      const outcome = await handleOnce(this.#handling, received, context)
      if (outcome === 'handled') this.#handledSincePruning++
      const name = OUTCOME_SIGNALS[outcome]
      if (this.#signals.has(name)) {
        const event = new ReceivedEvent(received)
        const duration = performance.now() - started
        this.#signals.emit(name, {
          consumer: this.#handling.consumer,
          messaging: WEBHOOK_MESSAGING,
          event,
          attempt,
          duration,
        })
      }
      return undefined
    } catch (error) {
      return verdictOn(error, 1, attempt, RULES, Math.random())
    } finally {
      limit.end()
    }
  }

  #refusal(verdict: Verdict): Response {
    if (verdict.kind === 'give-up') return answer(422, 'the event is refused for good')
    // The status tells our sender whether this costs the event a retry.
    if (verdict.counted) return this.#later(500, 'the event could not be handled', verdict.delay)
    return this.#later(503, 'no event can be handled now', verdict.delay)
  }

  #later(status: number, text: string, delay: number): Response {
    const seconds = Math.ceil(Math.max(delay, this.#settings.retryAfter) / 1000)
    return answer(status, text, { 'retry-after': String(seconds) })
  }

  async #prune(): Promise<void> {
    const { pruneInboxAfter: age } = this.#settings
    const { once } = this.#handling
    if (!once || age === null || this.#handledSincePruning < PRUNE_EVERY) return
    const limit = 2 * this.#handledSincePruning
    this.#handledSincePruning = 0
    try {
      await once.inbox.prune({ age, limit })
    } catch (error) {
      this.#complain(error)
    }
  }

  #complain(error: unknown): void {
    this.#signals.emit('consumer.error', { consumer: this.#handling.consumer, error })
  }
}

function answer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } })
}

const EVENT_FORMAT = /^application\/cloudevents(?:-batch)?[ \t]*(?:[+;]|$)/i
const JSON_FORMAT = /^application\/cloudevents(?:-batch)?\+json[ \t]*(?:;|$)/i

/** How a request carries events; undefined when not in a supported format (CloudEvents in JSON). */
function carriedMode({ headers }: Request): ContentMode | undefined {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') return undefined
  const type = headers.get('content-type')?.trim() ?? ''
  if (type !== '' && !isMediaType(type)) return undefined
  if (!EVENT_FORMAT.test(type)) return headers.has('ce-specversion') ? 'binary' : undefined
  return JSON_FORMAT.test(type) && isUtf8Type(type) ? contentModeOf(type) : undefined
}

type Permits = Pick<WebhookReceiverSettings, 'allowedOrigins' | 'allowedRate'>

/** Answers a request for permission (CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4.2). */
function answerHandshake({ headers }: Request, { allowedOrigins, allowedRate }: Permits): Response {
  const allow = { allow: 'POST, OPTIONS' }
  if (allowedOrigins.length === 0) return new Response(null, { status: 405, headers: { allow: 'POST' } })
  const origin = headers.get('webhook-request-origin')?.trim() ?? ''
  if (origin === '') return new Response(null, { status: 204, headers: allow })
  const known = allowedOrigins === '*' || allowedOrigins.some((one) => one.toLowerCase() === origin.toLowerCase())
  if (!known) return new Response(null, { status: 403, headers: allow })
  const wanted = headers.get('webhook-request-rate')?.trim() ?? ''
  const asked = /^[1-9]\d{0,8}$/.test(wanted) ? Number(wanted) : Number.POSITIVE_INFINITY
  const rate = allowedRate === null ? '*' : String(Math.min(asked, allowedRate))
  return new Response(null, {
    status: 200,
    headers: { ...allow, 'webhook-allowed-origin': origin, 'webhook-allowed-rate': rate },
  })
}
