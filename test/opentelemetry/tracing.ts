import assert from 'node:assert/strict'
import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

/** An SDK that keeps the spans of this process. */
const exporter = new InMemorySpanExporter()
let isRegistered = false

export function registerSdk(): void {
  if (isRegistered) return
  isRegistered = true
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  assert.ok(api.trace.setGlobalTracerProvider(provider))
}

/** Runs `work` within a span, as the handling of a request does; resolves with the id of its trace. */
export async function request(name: string, work: () => Promise<unknown>): Promise<string> {
  const span = api.trace.getTracer('test').startSpan(name, { kind: api.SpanKind.SERVER, root: true })
  try {
    await api.context.with(api.trace.setSpan(api.context.active(), span), work)
  } finally {
    span.end()
  }
  return span.spanContext().traceId
}

/** The spans of a trace that have ended. */
export function spansOf(traceId: string): readonly ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId)
}

/** All spans that have ended. */
export function allSpans(): readonly ReadableSpan[] {
  return exporter.getFinishedSpans()
}

export function named(spans: readonly ReadableSpan[], start: string): readonly ReadableSpan[] {
  return spans.filter(({ name }) => name.startsWith(start))
}

/** Resolves when it is so; fails after a minute. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 60_000
  while (!isSo()) {
    assert.ok(performance.now() < end, `never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
