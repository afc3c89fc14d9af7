import { isNotAttempted, type SendResult } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import type { DeliveryEvent } from '../event/delivery-event.ts'
import { describeError } from '../foundation/describe-error.ts'
import { errorType } from '../foundation/error-type.ts'
import { hasMethods } from '../foundation/option-kinds.ts'
import type { HandlerContext } from '../handlers/handler.ts'
import type { HandlerHooks, HandlingPlace } from '../handlers/handler-hooks.ts'
import type { AddedAttributes, DraftEvent, PublishHooks } from '../publish/hooks.ts'
import type { RelayHooks, Sending } from '../relay/send-hooks.ts'
import {
  type OpenTelemetryApi,
  type OtelContext,
  type OtelSpan,
  type OtelSpanContext,
  SPAN_KIND,
  STATUS_ERROR,
} from './api.ts'
import { eventAttributes, operationAttributes, placeAttributes } from './span-attributes.ts'
import { attributesOf, spanContextOf } from './trace-context.ts'

/** For the option `hooks` of a Broadcaster, `handlers()`, a Consumer and a webhook receiver. */
export interface OpenTelemetryHooks extends PublishHooks, RelayHooks, HandlerHooks {}

const TRACER = 'ts-broadcaster'
/** The place of an event before its backend is known. */
const OUTBOX = { system: 'ts-broadcaster' }

/**
 * Traces events all the way: the trace in which an event was published travels with it as `traceparent` and continues
 * in its send and its handlers. Spans follow the messaging conventions: `create`, `send` and `process`. Without a
 * registered SDK nothing is done. Throws `INVALID_OPTION`.
 *
 * @example
 * import * as api from '@opentelemetry/api'
 * const broadcaster = new Broadcaster({ store, backends, hooks: openTelemetry(api) })
 */
export function openTelemetry(api: OpenTelemetryApi): OpenTelemetryHooks {
  checkApi(api)
  const { trace, context } = api
  const tracer = trace.getTracer(TRACER)
  let isRegistered = false
  /** Whether a span would be recorded. An SDK, once registered, stays. */
  const isTraced = (): boolean => (isRegistered ||= hasSdk(trace.getTracerProvider()))
  const origin = ({ extensions }: DeliveryEvent): OtelSpanContext | undefined => spanContextOf(api, extensions)
  const under = (parent: OtelSpanContext | undefined, otherwise: OtelContext): OtelContext =>
    parent ? trace.setSpanContext(otherwise, parent) : otherwise

  const enrich = (event: DraftEvent): AddedAttributes | undefined => {
    // An event with a trace of its own keeps it.
    if (!isTraced() || event.extensions['traceparent'] !== undefined) return undefined
    const span = tracer.startSpan(`create ${event.type}`, {
      kind: SPAN_KIND.producer,
      attributes: {
        ...operationAttributes('create', 'publish'),
        ...placeAttributes(OUTBOX),
        ...eventAttributes(event),
      },
    })
    span.end()
    const made = span.spanContext()
    return trace.isSpanContextValid(made) ? attributesOf(made) : undefined
  }

  const aroundSend = async <T>(sending: Sending, call: () => Promise<T>): Promise<T> => {
    if (!isTraced()) return call()
    const { backend, events, messaging = { system: backend } } = sending
    const [only, ...more] = events
    const links = events.flatMap((event) => {
      const from = origin(event)
      return from ? [{ context: from }] : []
    })
    const parent = more.length === 0 ? links[0]?.context : undefined
    const one = more.length === 0 && only ? { ...eventAttributes(only), 'broadcaster.attempt': only.attempt } : {}
    const options = {
      kind: SPAN_KIND.producer,
      links,
      attributes: {
        ...operationAttributes('send', 'send'),
        ...placeAttributes(messaging),
        'broadcaster.backend': backend,
        ...(more.length > 0 && { 'messaging.batch.message_count': events.length }),
        ...one,
      },
    }
    // A worker may have been started within a span that ended long ago.
    const span = tracer.startSpan(`send ${messaging.destination ?? backend}`, options, under(parent, api.ROOT_CONTEXT))
    return within(span, call, (result) => noteResults(span, result))
  }

  const aroundHandler = async (
    event: DeliveryEvent,
    { attempt, deliveries }: HandlerContext,
    call: () => Promise<unknown>,
    { consumer, messaging = OUTBOX }: HandlingPlace,
  ): Promise<unknown> => {
    if (!isTraced()) return call()
    const options = {
      kind: SPAN_KIND.consumer,
      attributes: {
        ...operationAttributes('process', 'handle'),
        ...placeAttributes(messaging),
        ...eventAttributes(event),
        'messaging.consumer.group.name': consumer,
        'broadcaster.attempt': attempt,
        'broadcaster.deliveries': deliveries,
      },
    }
    const parent = under(origin(event), context.active())
    const span = tracer.startSpan(`process ${messaging.destination ?? consumer}`, options, parent)
    return within(span, call, () => undefined)
  }

  /** Calls with the span as the current one, then ends it. */
  const within = async <T>(span: OtelSpan, call: () => Promise<T>, note: (result: T) => void): Promise<T> => {
    try {
      const result = await context.with(trace.setSpan(context.active(), span), call)
      note(result)
      return result
    } catch (error) {
      span.recordException(error instanceof Error ? error : describeError(error))
      fail(span, error)
      throw error
    } finally {
      span.end()
    }
  }

  return { enrich: [enrich], aroundSend, aroundHandler }
}

/** Whether an SDK is registered. Until then the API's own provider has no delegate. */
function hasSdk(provider: object): boolean {
  const delegate: unknown = Reflect.get(provider, 'getDelegateTracer')
  return typeof delegate !== 'function' || Reflect.apply(delegate, provider, [TRACER]) !== undefined
}

/** A send that delivered nothing failed; where some events failed, the span says how many. */
function noteResults(span: OtelSpan, answer: unknown): void {
  const results = [answer].flat() as readonly (SendResult | undefined)[]
  const failed = results.flatMap((result) => (result?.ok === false && !isNotAttempted(result.error) ? [result] : []))
  const [first] = failed
  if (first === undefined) return
  span.setAttributes({ 'broadcaster.failed_count': failed.length })
  fail(span, first.error)
}

function fail(span: OtelSpan, error: unknown): void {
  span.setAttributes({ 'error.type': errorType(error) })
  span.setStatus({ code: STATUS_ERROR, message: describeError(error) })
}

function checkApi(api: OpenTelemetryApi): void {
  const isThere =
    hasMethods(api?.trace, ['getTracer', 'getTracerProvider', 'setSpan', 'setSpanContext', 'isSpanContextValid']) &&
    hasMethods(api.context, ['active', 'with']) &&
    hasMethods(api, ['createTraceState'])
  if (isThere) return
  const message = "openTelemetry() needs the API of OpenTelemetry; give it: import * as api from '@opentelemetry/api'"
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'api' })
}
