import {
  type Backend,
  type BackendHealth,
  delivered,
  notDelivered,
  type SendContext,
  type SendResult,
} from '../backend/backend.ts'
import { describeBackend } from '../backend/describe-backend.ts'
import { sendByKey } from '../backend/send-by-key.ts'
import { timesOfEach } from '../backend/send-times.ts'
import { TimeLimit } from '../backend/time-limit.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { InFlight } from '../foundation/in-flight.ts'
import { BatchSender, type Deliver } from './batch-sender.ts'
import { destinationOf, knownPlaceOf, nameOf } from './destination.ts'
import { checkHeaders, eventMessage } from './message.ts'
import { resolveWebhookOptions, type WebhookOptions } from './options.ts'
import { LIFE_SIGN_TIMEOUT, quotedMessage, RequestSender } from './request-sender.ts'
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
  const settings = resolveWebhookOptions(options)
  const sends = new InFlight()
  let closing: Promise<void> | undefined
  const delivery = new RequestSender(settings)
  const batches = new BatchSender(settings.maxBatch)

  function connect(signal: AbortSignal): Promise<void> {
    const { url, keys } = settings
    const target = url instanceof URL ? { url, trusted: true } : undefined
    return delivery.prepare(target, typeof keys === 'function' ? [] : keys, signal)
  }

  function send(
    events: readonly OutgoingEvent[],
    signal: AbortSignal,
    context?: SendContext,
  ): Promise<readonly SendResult[]> {
    const deliver: Deliver = (to, message, stop) => delivery.deliver(to, message, stop, context?.mayBegin)
    const sending =
      settings.mode === 'batch'
        ? batches.send(events, signal, (event) => destinationOf(event, settings), deliver)
        : sendByKey(events, signal, (event) => sendOne(event, signal, deliver))
    return sends.track(sending)
  }

  async function healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const { url, timeout, keys } = settings
    try {
      // Without this nothing can be sent, whatever answers there.
      await delivery.prepareSigning(typeof keys === 'function' ? [] : keys)
    } catch (error) {
      return { healthy: false, detail: quotedMessage(error) }
    }
    if (typeof url === 'function') return { healthy: true, detail: 'each event has an address of its own' }
    const target = { url, trusted: true }
    const started = performance.now()
    const limit = new TimeLimit(signal, timeout)
    try {
      const answer = await delivery.head(target, limit.signal)
      const latency = performance.now() - started
      const error = refusalOfAnswer(answer, nameOf(url), 'all-events')?.error
      // An endpoint need not support HEAD: only what would be an outage for events counts as unhealthy.
      if (error?.code === 'SEND_OUTAGE') return { healthy: false, latency, detail: error.message }
      await delivery.permission(target, limit.signal)
      return { healthy: true, latency, detail: `${nameOf(url)} answers` }
    } catch (error) {
      return { healthy: false, detail: `${nameOf(url)} is not ready: ${quotedMessage(error)}` }
    } finally {
      limit.end()
    }
  }

  /** Waits for requests in flight, each within its timeout, starts none, and closes the connections. */
  function close(): Promise<void> {
    delivery.stop()
    return (closing ??= end())
  }

  async function end(): Promise<void> {
    const timeout = settings.timeout + LIFE_SIGN_TIMEOUT + CLOSE_MARGIN
    try {
      await closeWithin('webhook()', () => sends.settled(), { timeout })
    } finally {
      delivery.close()
    }
  }

  async function sendOne(event: OutgoingEvent, signal: AbortSignal, deliver: Deliver): Promise<SendResult> {
    const mode = settings.mode === 'binary' ? 'binary' : 'structured'
    const to = destinationOf(event, settings)
    const refusal = await deliver(to, eventMessage(event, mode), signal)
    return refusal ? notDelivered(refusal.error) : delivered
  }

  const { maxEventBytes, mode, timeout, url } = settings
  return {
    ...describeBackend('webhook', '', typeof url === 'function' ? [] : [url.host]),
    capabilities: { ordersWithinSend: true },
    rate: settings.rate,
    destinationRate: settings.destinationRate,
    maxEventBytes,
    // The HEAD after a POST has its own time.
    ...timesOfEach(timeout, LIFE_SIGN_TIMEOUT + 250),
    ...{ connect, send, healthCheck, close },
    ...(mode === 'binary' ? { checkEvent: checkHeaders } : {}),
    destination: (event) => knownPlaceOf(event, settings),
  }
}

/** Time for what follows the last request of a send: reading its answer, a user's function. */
const CLOSE_MARGIN = 2_000
