import { running } from '../telemetry/running.ts'
import { onSignal, SIGNAL_NAMES, type SignalMessage, type SignalName } from '../telemetry/signals.ts'
import { type MetricSpec, NAMELESS_BACKEND, PROCESS_METRICS, type ProcessMetricName } from './metric-table.ts'
import { type LabelValues, Samples } from './samples.ts'

type Meters = { readonly [Name in SignalName]?: (count: ProcessMetrics, message: SignalMessage<Name>) => void }

const backendOf = ({ outbox, backend }: { readonly outbox: string; readonly backend: string }): LabelValues => [
  outbox,
  backend,
]
const outboxOf = ({ outbox }: { readonly outbox: string }): LabelValues => [outbox]
const consumerOf = ({ consumer }: { readonly consumer: string }): LabelValues => [consumer]
const seconds = (milliseconds: number): number => milliseconds / 1_000

/**
 * What each signal changes. Not `event.published`, `event.retried`, `event.failed` and `event.blocked`: a listener to
 * those makes the worker read each row again, and `batch.settled` counts the same.
 */
const METERS: Meters = {
  'event.created': (count, { outbox, record }) =>
    count.add('broadcaster_events_inserted_total', [outbox, record.publisherBackend || NAMELESS_BACKEND]),
  'event.duplicate': (count, { outbox, record }) =>
    count.add('broadcaster_events_duplicate_total', [outbox, record.publisherBackend || NAMELESS_BACKEND]),
  'batch.sent': (count, message) => {
    const labels = backendOf(message)
    count.add('broadcaster_events_sent_total', labels, message.sent)
    count.add('broadcaster_events_acknowledged_total', labels, message.delivered)
    count.observe('broadcaster_batch_events', labels, [message.sent])
    count.observe('broadcaster_send_seconds', labels, [seconds(message.duration)])
  },
  'batch.settled': (count, message) => {
    const labels = backendOf(message)
    count.add('broadcaster_events_published_total', labels, message.published)
    count.add('broadcaster_events_retried_total', labels, message.retried)
    count.add('broadcaster_events_failed_total', labels, message.failed)
    count.add('broadcaster_events_blocked_total', labels, message.blocked)
    count.add('broadcaster_outcomes_lost_total', labels, message.lost)
    const ahead = count.clockAhead(message.outbox)
    const ages = message.ages.map((age) => Math.max(0, seconds(age + ahead)))
    if (ages.length > 0) count.observe('broadcaster_delivery_seconds', labels, ages)
    if (message.duration !== null) count.observe('broadcaster_settle_seconds', labels, [seconds(message.duration)])
  },
  'backend.down': (count, message) => count.add('broadcaster_breaker_opened_total', backendOf(message)),
  'backend.up': (count, message) => count.add('broadcaster_breaker_closed_total', backendOf(message)),
  'backend.unserved': (count, message) => count.add('broadcaster_backend_unserved_total', backendOf(message)),
  'destination.down': (count, message) => count.add('broadcaster_destination_breaker_opened_total', backendOf(message)),
  'destination.up': (count, message) => count.add('broadcaster_destination_breaker_closed_total', backendOf(message)),
  'rate.waited': (count, message) =>
    count.add('broadcaster_rate_waited_seconds_total', backendOf(message), seconds(message.duration)),
  'lane.gained': (count, message) => count.holds(message),
  'lane.lost': (count, message) => {
    count.letsGo(message)
    if (message.reason === 'lease-ended') {
      count.add('broadcaster_lanes_lost_total', backendOf(message), message.lanes.length)
    }
  },
  'worker.started': (count, { outbox, backends }) => {
    for (const backend of backends) count.begin('backend', [outbox, backend])
    count.add('broadcaster_workers_running', [outbox])
  },
  'worker.stopped': (count, message) => count.add('broadcaster_workers_running', outboxOf(message), -1),
  'worker.error': (count, message) => count.add('broadcaster_worker_errors_total', outboxOf(message)),
  'store.down': (count, message) => count.add('broadcaster_store_outages_total', outboxOf(message)),
  'store.up': (count, message) => count.add('broadcaster_store_recoveries_total', outboxOf(message)),
  'events.purged': (count, message) => count.add('broadcaster_events_purged_total', outboxOf(message), message.count),
  'retention.started': (count, message) => count.retentionBegan(outboxOf(message)),
  'retention.finished': (count, message) => {
    const labels = outboxOf(message)
    count.set('broadcaster_retention_finished_timestamp_seconds', labels, seconds(Date.now()))
    count.add('broadcaster_inbox_purged_total', labels, message.inbox)
    count.observe('broadcaster_retention_seconds', labels, [seconds(message.duration)])
  },
  'listener.failed': (count, { outbox, signal }) => count.add('broadcaster_listener_failures_total', [outbox, signal]),
  'consumer.started': (count, message) => {
    count.begin('consumer', consumerOf(message))
    count.add('broadcaster_consumers_running', consumerOf(message))
  },
  'consumer.stopped': (count, message) => count.add('broadcaster_consumers_running', consumerOf(message), -1),
  'consumer.error': (count, message) => count.add('broadcaster_consumer_errors_total', consumerOf(message)),
  'consumer.gap': (count, message) => count.add('broadcaster_consumer_gaps_total', consumerOf(message)),
  'consumer.backlog': (count, message) =>
    count.set('broadcaster_consumer_backlog_messages', consumerOf(message), message.messages ?? Number.NaN),
  'delivery.handled': (count, message) => {
    count.add('broadcaster_deliveries_handled_total', consumerOf(message))
    count.observe('broadcaster_handle_seconds', consumerOf(message), [seconds(message.duration)])
  },
  'delivery.duplicate': (count, message) => count.add('broadcaster_deliveries_duplicate_total', consumerOf(message)),
  'delivery.ignored': (count, message) => count.add('broadcaster_deliveries_ignored_total', consumerOf(message)),
  'delivery.retried': (count, message) => count.add('broadcaster_deliveries_retried_total', consumerOf(message)),
  'delivery.failed': (count, message) => count.add('broadcaster_deliveries_failed_total', consumerOf(message)),
}

/** Signals that consumers send: they name the consumer, and no outbox. */
const isConsumers = (name: SignalName): boolean => name.startsWith('consumer.') || name.startsWith('delivery.')

/** Counts what the outboxes of this process do, by their signals, and what all of its consumers do. */
export class ProcessMetrics {
  /** By name, in the order of the table. */
  readonly samples: ReadonlyMap<ProcessMetricName, Samples>
  /** Milliseconds by which an outbox's database is ahead of this host's clock; 0 = not known. */
  readonly clockAhead: (outbox: string) => number
  readonly #onObserved: ((name: ProcessMetricName, labels: LabelValues, values: readonly number[]) => void) | undefined
  readonly #lanes = new Map<string, Set<string>>()
  readonly #stops: readonly (() => void)[]

  /** `onObserved`: is told what goes into a histogram, at once. */
  constructor(
    outboxes: readonly string[],
    clockAhead: (outbox: string) => number,
    onObserved?: (name: ProcessMetricName, labels: LabelValues, values: readonly number[]) => void,
  ) {
    this.#onObserved = onObserved
    this.samples = new Map(NAMES.map((name) => [name, new Samples(PROCESS_METRICS[name])]))
    this.clockAhead = clockAhead
    for (const outbox of outboxes) this.begin('outbox', [outbox])
    // What runs already reported its start before there was a listener.
    const isOurs = ({ outbox }: { readonly outbox: string }): boolean => outboxes.includes(outbox)
    for (const message of running.workers.filter(isOurs)) METERS['worker.started']?.(this, message)
    for (const message of running.consumers) METERS['consumer.started']?.(this, message)
    for (const message of running.lanes) if (isOurs(message)) this.holds(message)
    const listen = <Name extends SignalName>(name: Name): (() => void) | undefined => {
      const meter = METERS[name]
      if (meter === undefined) return undefined
      return onSignal(name, (message) => {
        if (isConsumers(name) || isOurs(message)) meter(this, message)
      })
    }
    this.#stops = SIGNAL_NAMES.map((name) => listen(name)).filter((stop) => stop !== undefined)
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  add(name: ProcessMetricName, labels: LabelValues, amount?: number): void {
    this.#of(name).add(labels, amount)
  }

  set(name: ProcessMetricName, labels: LabelValues, value: number): void {
    this.#of(name).set(labels, value)
  }

  observe(name: ProcessMetricName, labels: LabelValues, values: readonly number[]): void {
    this.#of(name).observe(labels, values)
    this.#onObserved?.(name, labels, values)
  }

  /** Its counters are at 0 from now on: a rate sees only what comes after the first value. */
  begin(whose: 'outbox' | 'backend' | 'consumer', labels: LabelValues): void {
    for (const [name, samples] of this.samples) {
      const { kind, labels: names }: MetricSpec = PROCESS_METRICS[name]
      if (kind === 'counter' && names.at(-1) === whose) samples.add(labels, 0)
    }
  }

  /** Lanes one by one: a lane whose release failed is gained again without a `lane.lost`. */
  holds(message: SignalMessage<'lane.gained'>): void {
    this.#changeLanes(message, (held, lane) => held.add(lane))
  }

  letsGo(message: SignalMessage<'lane.lost'>): void {
    this.#changeLanes(message, (held, lane) => held.delete(lane))
  }

  /** A clean-up that never ends shows by the age of its first start. */
  retentionBegan(labels: LabelValues): void {
    const finished = this.#of('broadcaster_retention_finished_timestamp_seconds')
    if (!finished.has(labels)) finished.set(labels, seconds(Date.now()))
  }

  #changeLanes(
    message: SignalMessage<'lane.gained'> | SignalMessage<'lane.lost'>,
    change: (held: Set<string>, lane: string) => unknown,
  ): void {
    const labels = backendOf(message)
    const key = labels.join('\0')
    const held = this.#lanes.get(key) ?? new Set()
    this.#lanes.set(key, held)
    for (const lane of message.lanes) change(held, `${message.worker}\0${lane}`)
    this.set('broadcaster_lanes_held', labels, held.size)
  }

  #of(name: ProcessMetricName): Samples {
    const samples = this.samples.get(name)
    if (samples === undefined) throw new Error(`no metric ${name}`)
    return samples
  }
}

const NAMES = Object.keys(PROCESS_METRICS) as readonly ProcessMetricName[]
