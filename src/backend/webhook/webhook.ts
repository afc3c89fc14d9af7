import { closeWithin } from '../../close-within.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, type BackendHealth, delivered, notDelivered, type SendResult } from '../backend.ts'
import { sendByKey } from '../send-by-key.ts'
import { TimeLimit } from '../time-limit.ts'
import { BatchSender } from './batch-sender.ts'
import { Delivery, LIFE_SIGN_TIMEOUT, messageOf } from './delivery.ts'
import { destinationOf, knownPlaceOf, nameOf } from './destination.ts'
import { checkHeaders, eventMessage } from './message.ts'
import { type ResolvedWebhookOptions, resolveWebhookOptions, type WebhookOptions } from './options.ts'
import { refusalOfAnswer } from './response-error.ts'

export type { WebhookHandshake } from './handshake-options.ts'
export type {
  WebhookBatchLimit,
  WebhookHeaders,
  WebhookKeys,
  WebhookOptions,
  WebhookRateLimit,
} from './options.ts'

/**
 * Posts each event, or batches of them, to an HTTP endpoint; 2xx is the acknowledgement. The events of a key go one
 * after the other, several keys at the same time. What each answer means is a table in `docs/backends/webhook.md`.
 *
 * @example webhook({ url: 'https://partner.example/events', keys: [newest, older] })
 */
export function webhook(options: WebhookOptions): Backend {
  const destination = new Webhook(resolveWebhookOptions(options))
  const { maxEventBytes, mode, timeout } = destination.options
  return {
    capabilities: { ordersWithinSend: true },
    maxEventBytes,
    // So that the first requests of a send always get all of their time, and the search for a life sign its own.
    timeout: timeout + LIFE_SIGN_TIMEOUT + 250,
    connect: (signal) => destination.connect(signal),
    send: (events, signal) => destination.send(events, signal),
    healthCheck: (signal) => destination.healthCheck(signal),
    close: () => destination.close(),
    ...(mode === 'binary' ? { checkEvent: checkHeaders } : {}),
    destination: (event) => knownPlaceOf(event, destination.options),
  }
}

/** What comes after the last request of a send: reading its answer, a function of the user's. */
const CLOSE_MARGIN = 2_000

class Webhook {
  readonly options: ResolvedWebhookOptions
  readonly #delivery: Delivery
  readonly #batches: BatchSender
  readonly #sends = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(options: ResolvedWebhookOptions) {
    this.options = options
    this.#delivery = new Delivery(options)
    this.#batches = new BatchSender(options.maxBatch, (to, message, signal) =>
      this.#delivery.deliver(to, message, signal),
    )
  }

  connect(signal: AbortSignal): Promise<void> {
    const { url, keys } = this.options
    const target = url instanceof URL ? { url, trusted: true } : undefined
    return this.#delivery.prepare(target, typeof keys === 'function' ? [] : keys, signal)
  }

  async send(events: readonly OutboxEvent[], signal: AbortSignal): Promise<readonly SendResult[]> {
    const sending =
      this.options.mode === 'batch'
        ? this.#batches.send(events, signal, (event) => destinationOf(event, this.options))
        : sendByKey(events, signal, (event) => this.#sendOne(event, signal))
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
    const target = { url, trusted: true }
    const started = performance.now()
    const limit = new TimeLimit(signal, timeout)
    try {
      const answer = await this.#delivery.head(target, limit.signal)
      const latency = performance.now() - started
      const error = refusalOfAnswer(answer, nameOf(url), 'all-events')?.error
      // An endpoint need not know HEAD: only what would be an outage for events is ill health.
      if (error?.code === 'SEND_OUTAGE') return { healthy: false, latency, detail: error.message }
      await this.#delivery.permission(target, limit.signal)
      return { healthy: true, latency, detail: `${nameOf(url)} answers` }
    } catch (error) {
      return { healthy: false, detail: `${nameOf(url)} is not ready: ${messageOf(error)}` }
    } finally {
      limit.end()
    }
  }

  /** Lets the requests under way end, each within its timeout, starts none, and closes the connections. */
  close(): Promise<void> {
    this.#delivery.stop()
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const timeout = this.options.timeout + LIFE_SIGN_TIMEOUT + CLOSE_MARGIN
    try {
      await closeWithin('webhook()', () => Promise.allSettled(this.#sends), { timeout })
    } finally {
      this.#delivery.close()
    }
  }

  async #sendOne(event: OutboxEvent, signal: AbortSignal): Promise<SendResult> {
    const mode = this.options.mode === 'binary' ? 'binary' : 'structured'
    const to = destinationOf(event, this.options)
    const refusal = await this.#delivery.deliver(to, eventMessage(event, mode), signal)
    return refusal ? notDelivered(refusal.error) : delivered
  }
}
