// Tracing and metrics by OpenTelemetry.
export type { MeasuredOutbox } from './metrics/measured-outbox.ts'
export type {
  OpenTelemetryApi,
  OpenTelemetryMetricsApi,
  OtelAttributes,
  OtelContext,
  OtelCounter,
  OtelHistogram,
  OtelInstrumentOptions,
  OtelMeter,
  OtelObservable,
  OtelObserve,
  OtelObserver,
  OtelSpan,
  OtelSpanContext,
  OtelSpanOptions,
  OtelTracer,
  OtelTraceState,
} from './opentelemetry/api.ts'
export {
  type OpenTelemetryMetrics,
  type OpenTelemetryMetricsOptions,
  openTelemetryMetrics,
} from './opentelemetry/metrics.ts'
export { type OpenTelemetryHooks, openTelemetry } from './opentelemetry/opentelemetry.ts'
