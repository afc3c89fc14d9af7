import type { AttributeValue } from '../event/cloud-event.ts'
import type { OpenTelemetryApi, OtelSpanContext } from './api.ts'

/**
 * The CloudEvents extension "distributed tracing": `traceparent` and `tracestate` as W3C Trace Context has them,
 * whatever format the application uses between its services.
 */

/** The parts of `traceparent`. A later version may have more of them. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/
/** The only flag that is passed on: sampled. */
const SAMPLED = 1

/** The attributes for the identity of a span. */
export function attributesOf({ traceId, spanId, traceFlags, traceState }: OtelSpanContext): {
  readonly traceparent: string
  readonly tracestate?: string
} {
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0')
  const state = traceState?.serialize() ?? ''
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, ...(state !== '' && { tracestate: state }) }
}

/** The identity of the span that an event comes from; undefined = it has none, or one that cannot be read. */
export function spanContextOf(
  api: Pick<OpenTelemetryApi, 'createTraceState' | 'trace'>,
  { traceparent, tracestate }: Readonly<Record<string, AttributeValue | undefined>>,
): OtelSpanContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const [, version, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(traceparent.trim()) ?? []
  if (version === undefined || (version === '00' && traceparent.trim().length !== 55)) return undefined
  const state = typeof tracestate === 'string' && tracestate !== '' ? api.createTraceState(tracestate) : undefined
  const traceFlags = Number.parseInt(flags, 16) & SAMPLED
  const context = { traceId, spanId, traceFlags, isRemote: true, ...(state && { traceState: state }) }
  return api.trace.isSpanContextValid(context) ? context : undefined
}
