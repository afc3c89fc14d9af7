// Metrics in Prometheus' text format, of outboxes and of the consumers of this process.
export type { MeasuredOutbox } from './metrics/measured-outbox.ts'
export { type Prometheus, type PrometheusOptions, prometheus } from './prometheus/prometheus.ts'
