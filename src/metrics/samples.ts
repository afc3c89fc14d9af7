import type { MetricSpec } from './metric-table.ts'

/** The values of one series' labels, in the order of its metric. */
export type LabelValues = readonly string[]

/** One series: a value, or what a histogram counted. */
export interface Series {
  readonly labels: LabelValues
  /** Of a histogram: the sum of all that was observed. */
  value: number
  /** Of a histogram: observations in each bucket, not cumulative; the last bucket is beyond all bounds. */
  readonly counts: number[]
}

/** Series kept for one metric; further ones are added to one whose labels are all `other`. */
const MOST_SERIES = 1_000

/** The values of one metric, by its labels. */
export class Samples {
  readonly spec: MetricSpec
  readonly #series = new Map<string, Series>()

  constructor(spec: MetricSpec) {
    this.spec = spec
  }

  get series(): readonly Series[] {
    return [...this.#series.values()]
  }

  /** Of a counter or a gauge. Adding 0 makes the series appear. */
  add(labels: LabelValues, amount = 1): void {
    this.#at(labels).value += amount
  }

  /** Of a gauge. */
  set(labels: LabelValues, value: number): void {
    this.#at(labels).value = value
  }

  has(labels: LabelValues): boolean {
    return this.#series.has(keyOf(labels))
  }

  /** Of a histogram. */
  observe(labels: LabelValues, values: readonly number[]): void {
    const { buckets = [] } = this.spec
    const into = this.#at(labels)
    for (const value of values) {
      let at = 0
      while (at < buckets.length && value > (buckets[at] ?? 0)) at++
      into.counts[at] = (into.counts[at] ?? 0) + 1
      into.value += value
    }
  }

  #at(labels: LabelValues): Series {
    const found = this.#series.get(keyOf(labels))
    if (found !== undefined) return found
    const bounded = this.#series.size < MOST_SERIES ? labels : labels.map(() => 'other')
    const key = keyOf(bounded)
    const series = this.#series.get(key) ?? { labels: bounded, value: 0, counts: [] }
    this.#series.set(key, series)
    return series
  }
}

const keyOf = (labels: LabelValues): string => labels.join('\0')
