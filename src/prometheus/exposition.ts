import type { MetricSpec } from '../metrics/metric-table.ts'
import type { LabelValues, Samples, Series } from '../metrics/samples.ts'

/** The content type of the answer to a scrape. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Metrics in Prometheus' text format 0.0.4. One without a series is left out. Pure. */
export function exposition(metrics: Iterable<readonly [name: string, samples: Samples]>): string {
  const lines: string[] = []
  for (const [name, { spec, series }] of metrics) {
    if (series.length === 0) continue
    lines.push(`# HELP ${name} ${escapeHelp(spec.help)}`, `# TYPE ${name} ${spec.kind}`)
    for (const one of series) {
      if (spec.kind === 'histogram') lines.push(...histogramLines(name, spec, one))
      else lines.push(sample(name, spec.labels, one.labels, one.value))
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

function histogramLines(name: string, spec: MetricSpec, { labels, value, counts }: Series): readonly string[] {
  const { labels: names, buckets = [] } = spec
  let count = 0
  const inBuckets = [...buckets.map(numberText), '+Inf'].map((bound, n) => {
    count += counts[n] ?? 0
    return sample(`${name}_bucket`, [...names, 'le'], [...labels, bound], count)
  })
  return [...inBuckets, sample(`${name}_sum`, names, labels, value), sample(`${name}_count`, names, labels, count)]
}

function sample(name: string, names: readonly string[], values: LabelValues, value: number): string {
  const labels = names.map((label, n) => `${label}="${escapeLabel(values[n] ?? '')}"`)
  return `${name}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${numberText(value)}`
}

/** JavaScript's own text of a number, which Go can read, except for infinity. */
function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** A lone surrogate cannot be written as UTF-8, and Prometheus knows no line end but LF. */
function escapeLabel(text: string): string {
  return escapeHelp(text.toWellFormed()).replaceAll('"', '\\"')
}
