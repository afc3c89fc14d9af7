import { BroadcasterError } from '../errors.ts'
import { duration, hasMethods } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { type MeasuredOutbox, measuredOutboxes } from '../metrics/measured-outbox.ts'
import { METRICS, type ProcessMetricName, type StoreMetricName } from '../metrics/metric-table.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import type { LabelValues, Samples } from '../metrics/samples.ts'
import { StoreLook } from '../metrics/store-look.ts'
import { storeMetrics } from '../metrics/store-metrics.ts'
import type {
  OpenTelemetryMetricsApi,
  OtelAttributes,
  OtelHistogram,
  OtelInstrumentOptions,
  OtelMeter,
  OtelObservable,
  OtelObserver,
} from './api.ts'
import { INSTRUMENTS, type InstrumentSpec, LABEL_ATTRIBUTES } from './instruments.ts'
import { recordMessaging } from './messaging-metrics.ts'

export const OPENTELEMETRY_METRICS = {
  /**
   * How long what was read from the database is reused, in milliseconds; 0 = each collection queries again. Default 5,000.
   */
  maxAge: duration(5_000, { min: 0 }),
  /** How long a collection waits for the database, in milliseconds. Default 2,000. */
  timeout: duration(2_000),
}
/** Options of `openTelemetryMetrics()`. */
export type OpenTelemetryMetricsOptions = OptionsOf<typeof OPENTELEMETRY_METRICS>

/** Metrics that are recorded. */
export interface OpenTelemetryMetrics {
  /** Stops recording. */
  close(): void
  /** For `using`: the same as `close`. */
  [Symbol.dispose](): void
}

type MetricName = ProcessMetricName | StoreMetricName

/**
 * Records what happens in this process from now on, and what the database says when the SDK collects, with the meter of
 * OpenTelemetry's API: those of the messaging conventions (`messaging.*`) and ours (`broadcaster.*`). Register the SDK before: where
 * there is none at the time of this call nothing is recorded. For a process that only consumes, pass an empty list. Throws
 * `INVALID_OPTION`.
 *
 * @example
 * import * as api from '@opentelemetry/api'
 * const metrics = openTelemetryMetrics(api, broadcaster)
 */
export function openTelemetryMetrics(
  api: OpenTelemetryMetricsApi,
  outboxes: MeasuredOutbox | readonly MeasuredOutbox[],
  options: OpenTelemetryMetricsOptions = {},
): OpenTelemetryMetrics {
  checkApi(api)
  const resolved = readOptions('openTelemetryMetrics()', OPENTELEMETRY_METRICS, options)
  const measured = measuredOutboxes('openTelemetryMetrics()', outboxes)
  const meter = api.metrics.getMeter('ts-broadcaster')
  const ends = meter === api.createNoopMeter() ? [] : record(meter, measured, resolved)
  const close = (): void => {
    for (const end of ends.splice(0)) end()
  }
  return { close, [Symbol.dispose]: close }
}

/** Returns what ends it. */
function record(
  meter: OtelMeter,
  measured: readonly MeasuredOutbox[],
  options: { readonly maxAge: number; readonly timeout: number },
): (() => void)[] {
  const looks = new Map(measured.map(({ name, store }) => [name, new StoreLook(() => store.admin.look(), options)]))
  const histograms = new Map<MetricName, OtelHistogram>()
  const observables = new Map<MetricName, OtelObservable>()
  for (const name of NAMES) {
    if (METRICS[name]?.kind === 'histogram') histograms.set(name, meter.createHistogram(...instrument(name)))
    else observables.set(name, observable(meter, name))
  }
  const names = [...looks.keys()]
  const counted = new ProcessMetrics(
    names,
    (outbox) => looks.get(outbox)?.clockAhead ?? 0,
    (name, labels, values) => {
      const attributes = attributesOf(name, labels)
      for (const value of values) histograms.get(name)?.record(value, attributes)
    },
  )
  const observe = async (observer: OtelObserver): Promise<void> => {
    const looking = Array.from(looks, async ([name, look]) => [name, await look.seen()] as const)
    const read = storeMetrics(await Promise.all(looking))
    for (const [name, samples] of [...counted.samples, ...read]) {
      const to = observables.get(name)
      if (to !== undefined) observeAll(observer, to, name, samples)
    }
  }
  const all = [...observables.values()]
  meter.addBatchObservableCallback(observe, all)
  return [recordMessaging(meter, names), () => counted.close(), () => meter.removeBatchObservableCallback(observe, all)]
}

function observeAll(observer: OtelObserver, to: OtelObservable, name: MetricName, { series }: Samples): void {
  for (const { labels, value } of series) {
    // Not known: an absent value, where Prometheus has NaN.
    if (!Number.isNaN(value)) observer.observe(to, value, attributesOf(name, labels))
  }
}

function observable(meter: OtelMeter, name: MetricName): OtelObservable {
  const spec: InstrumentSpec = INSTRUMENTS[name]
  if (METRICS[name]?.kind === 'counter') return meter.createObservableCounter(...instrument(name))
  if (spec.across === 'sum') return meter.createObservableUpDownCounter(...instrument(name))
  return meter.createObservableGauge(...instrument(name))
}

function instrument(of: MetricName): [name: string, options: OtelInstrumentOptions] {
  const { name, unit }: InstrumentSpec = INSTRUMENTS[of]
  const { help, buckets } = METRICS[of] ?? { help: '' }
  return [name, { unit, description: help, ...(buckets && { advice: { explicitBucketBoundaries: [...buckets] } }) }]
}

function attributesOf(name: MetricName, labels: LabelValues): OtelAttributes {
  const names = METRICS[name]?.labels ?? []
  return Object.fromEntries(names.map((label, n) => [LABEL_ATTRIBUTES[label], labels[n] ?? '']))
}

const NAMES = Object.keys(INSTRUMENTS) as readonly MetricName[]

function checkApi(api: OpenTelemetryMetricsApi): void {
  if (hasMethods(api?.metrics, ['getMeter']) && hasMethods(api, ['createNoopMeter'])) return
  const message =
    "openTelemetryMetrics() needs the API of OpenTelemetry; give it: import * as api from '@opentelemetry/api'"
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'api' })
}
