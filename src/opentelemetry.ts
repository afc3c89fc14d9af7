// Tracing by OpenTelemetry.
export type {
  OpenTelemetryApi,
  OtelAttributes,
  OtelContext,
  OtelSpan,
  OtelSpanContext,
  OtelSpanOptions,
  OtelTracer,
  OtelTraceState,
} from './opentelemetry/api.ts'
export { type OpenTelemetryHooks, openTelemetry } from './opentelemetry/opentelemetry.ts'
