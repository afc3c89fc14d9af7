/** The number that OpenTelemetry's API has for each kind of span. */
export const SPAN_KIND = { producer: 3, consumer: 4 } as const

/** The number of the status of a span that failed. */
export const STATUS_ERROR = 2

/** What OpenTelemetry's API calls a context: the current span, among other things. Opaque here. */
export type OtelContext = object

/** Values of attributes as they are set here. */
export type OtelAttributes = Record<string, string | number>

/** The identity of a span. */
export interface OtelSpanContext {
  traceId: string
  spanId: string
  traceFlags: number
  isRemote?: boolean
  traceState?: OtelTraceState
}

/** The state that tracing systems add to a trace. */
export interface OtelTraceState {
  get(key: string): string | undefined
  set(key: string, value: string): OtelTraceState
  unset(key: string): OtelTraceState
  serialize(): string
}

/** A span. */
export interface OtelSpan {
  spanContext(): OtelSpanContext
  setAttributes(attributes: OtelAttributes): unknown
  setStatus(status: { code: number; message?: string }): unknown
  recordException(exception: Error | string): void
  end(): void
}

/** How a span begins. */
export interface OtelSpanOptions {
  kind?: number
  attributes?: OtelAttributes
  links?: { context: OtelSpanContext }[]
}

/** What makes spans. */
export interface OtelTracer {
  startSpan(name: string, options?: OtelSpanOptions, context?: OtelContext): OtelSpan
}

/** What adds values up. */
export interface OtelCounter {
  add(value: number, attributes?: OtelAttributes): void
}

/** What sorts values into buckets. */
export interface OtelHistogram {
  record(value: number, attributes?: OtelAttributes): void
}

/** How an instrument is made. */
export interface OtelInstrumentOptions {
  description?: string
  unit?: string
  advice?: { explicitBucketBoundaries?: number[] }
}

/** What is told when the SDK collects. */
export interface OtelObserver {
  observe(instrument: OtelObservable, value: number, attributes?: OtelAttributes): void
}

/** An instrument whose values are asked for. Opaque here. */
export type OtelObservable = object

/** Called when the SDK collects. */
export type OtelObserve = (observer: OtelObserver) => void | Promise<void>

/** What makes instruments. */
export interface OtelMeter {
  createCounter(name: string, options?: OtelInstrumentOptions): OtelCounter
  createHistogram(name: string, options?: OtelInstrumentOptions): OtelHistogram
  createObservableCounter(name: string, options?: OtelInstrumentOptions): OtelObservable
  createObservableUpDownCounter(name: string, options?: OtelInstrumentOptions): OtelObservable
  createObservableGauge(name: string, options?: OtelInstrumentOptions): OtelObservable
  addBatchObservableCallback(call: OtelObserve, observables: OtelObservable[]): void
  removeBatchObservableCallback(call: OtelObserve, observables: OtelObservable[]): void
}

/** The members of `@opentelemetry/api` that metrics use. */
export interface OpenTelemetryMetricsApi {
  readonly metrics: { getMeter(name: string): OtelMeter }
  /** The meter that is there while no SDK is registered. */
  createNoopMeter(): object
}

/** The members of `@opentelemetry/api` that are used: `import * as api from '@opentelemetry/api'`. */
export interface OpenTelemetryApi {
  readonly ROOT_CONTEXT: OtelContext
  readonly trace: {
    getTracer(name: string): OtelTracer
    getTracerProvider(): object
    getSpanContext(context: OtelContext): OtelSpanContext | undefined
    setSpan(context: OtelContext, span: OtelSpan): OtelContext
    setSpanContext(context: OtelContext, spanContext: OtelSpanContext): OtelContext
    isSpanContextValid(spanContext: OtelSpanContext): boolean
  }
  readonly context: {
    active(): OtelContext
    with<T>(context: OtelContext, call: () => T): T
  }
  createTraceState(text: string): OtelTraceState
}
