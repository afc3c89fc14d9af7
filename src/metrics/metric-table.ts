/** What kind of metric it is, as Prometheus calls it. */
export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** A label. Never a key, an id, a type or a destination: their number has no bound. */
export type MetricLabel = 'outbox' | 'backend' | 'consumer' | 'signal'

/** The label for the default backend where events do not name it: Prometheus takes an empty label for none. */
export const NAMELESS_BACKEND = '(default)'

/** One metric. */
export interface MetricSpec {
  readonly kind: MetricKind
  readonly labels: readonly MetricLabel[]
  /** One sentence: the text after `# HELP`. */
  readonly help: string
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
}

const OUTBOX = ['outbox'] as const
const BACKEND = ['outbox', 'backend'] as const
const CONSUMER = ['consumer'] as const

/** From 1 ms to 10 s. */
const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** From 5 ms to an hour. */
const LONG = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600]
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]

const counter = <const Labels extends readonly MetricLabel[]>(labels: Labels, help: string) =>
  ({ kind: 'counter', labels, help }) as const
const gauge = <const Labels extends readonly MetricLabel[]>(labels: Labels, help: string) =>
  ({ kind: 'gauge', labels, help }) as const
const histogram = <const Labels extends readonly MetricLabel[]>(
  labels: Labels,
  help: string,
  buckets: readonly number[],
) => ({ kind: 'histogram', labels, help, buckets }) as const

/** What is counted from the signals of this process. `docs/metrics.md` lists the same; a test compares. */
export const PROCESS_METRICS = {
  broadcaster_events_inserted_total: counter(
    BACKEND,
    'Events that publish inserted, on transactions of which some may have been rolled back.',
  ),
  broadcaster_events_duplicate_total: counter(
    BACKEND,
    'Events that publish found already stored, and did not insert again.',
  ),
  broadcaster_events_sent_total: counter(BACKEND, 'Events handed to the backend, each attempt counted.'),
  broadcaster_events_acknowledged_total: counter(BACKEND, 'Events that the backend acknowledged.'),
  broadcaster_events_published_total: counter(BACKEND, 'Events whose delivery was acknowledged and recorded.'),
  broadcaster_events_retried_total: counter(BACKEND, 'Attempts that failed and will be repeated.'),
  broadcaster_events_failed_total: counter(BACKEND, 'Events that failed for good.'),
  broadcaster_events_blocked_total: counter(
    BACKEND,
    'Events that began to wait behind one of their key that failed for good.',
  ),
  broadcaster_outcomes_lost_total: counter(
    BACKEND,
    'Outcomes that were not recorded, because the lane or the row had moved on meanwhile.',
  ),
  broadcaster_delivery_seconds: histogram(
    BACKEND,
    'Time from the insertion of an event until its delivery was acknowledged and recorded.',
    LONG,
  ),
  broadcaster_batch_events: histogram(BACKEND, 'Events in one send.', SIZES),
  broadcaster_send_seconds: histogram(BACKEND, 'Time that one send took.', SHORT),
  broadcaster_settle_seconds: histogram(
    BACKEND,
    'Time that it took to record the outcomes of sends, one statement.',
    SHORT,
  ),
  broadcaster_breaker_opened_total: counter(
    BACKEND,
    'Times that a worker of this process opened the breaker of the backend.',
  ),
  broadcaster_breaker_closed_total: counter(
    BACKEND,
    'Times that a worker of this process closed the breaker of the backend.',
  ),
  broadcaster_destination_breaker_opened_total: counter(
    BACKEND,
    'Times that a worker of this process opened the breaker of a destination behind the backend.',
  ),
  broadcaster_destination_breaker_closed_total: counter(
    BACKEND,
    'Times that a worker of this process closed the breaker of a destination behind the backend.',
  ),
  broadcaster_rate_waited_seconds_total: counter(
    BACKEND,
    'Time in which workers of this process had events to send that the rate of the backend, or of one of its destinations, let wait.',
  ),
  broadcaster_backend_unserved_total: counter(
    BACKEND,
    'Times that a worker of this process found events waiting for a backend that no worker serves.',
  ),
  broadcaster_lanes_held: gauge(BACKEND, 'Lanes that workers of this process own.'),
  broadcaster_lanes_lost_total: counter(
    BACKEND,
    'Lanes that workers of this process lost because their lease had ended.',
  ),
  broadcaster_workers_running: gauge(OUTBOX, 'Workers that run in this process.'),
  broadcaster_worker_errors_total: counter(OUTBOX, 'Errors that workers of this process survived.'),
  broadcaster_store_outages_total: counter(
    OUTBOX,
    'Times that a worker of this process could no longer use its database.',
  ),
  broadcaster_store_recoveries_total: counter(
    OUTBOX,
    'Times that a worker of this process could use its database again.',
  ),
  broadcaster_events_purged_total: counter(OUTBOX, 'Settled events that retention deleted in this process.'),
  broadcaster_inbox_purged_total: counter(OUTBOX, 'Inbox entries that retention deleted in this process.'),
  broadcaster_retention_finished_timestamp_seconds: gauge(
    OUTBOX,
    'When a clean-up of this process last left nothing expired, or the first one began; seconds since 1970.',
  ),
  broadcaster_retention_seconds: histogram(OUTBOX, 'Time that a whole clean-up took.', LONG),
  broadcaster_listener_failures_total: counter(
    ['outbox', 'signal'],
    'Times that a listener of a signal threw or rejected.',
  ),
  broadcaster_consumers_running: gauge(CONSUMER, 'Consumers that run in this process.'),
  broadcaster_consumer_errors_total: counter(CONSUMER, 'Errors that the consumer survived.'),
  broadcaster_consumer_gaps_total: counter(CONSUMER, 'Times that messages were gone before the consumer got them.'),
  broadcaster_consumer_backlog_messages: gauge(
    CONSUMER,
    'Messages that the broker holds for the consumer, over all its processes; NaN when it does not say.',
  ),
  broadcaster_deliveries_handled_total: counter(CONSUMER, 'Received events whose handlers succeeded.'),
  broadcaster_deliveries_duplicate_total: counter(CONSUMER, 'Received events that had been handled before.'),
  broadcaster_deliveries_ignored_total: counter(CONSUMER, 'Received events that have no handler.'),
  broadcaster_deliveries_retried_total: counter(
    CONSUMER,
    'Attempts to handle an event that failed and will be repeated.',
  ),
  broadcaster_deliveries_failed_total: counter(
    CONSUMER,
    'Received messages that the consumer gave up: its dead letters.',
  ),
  broadcaster_handle_seconds: histogram(CONSUMER, 'Time that successful handling took.', SHORT),
} as const satisfies Readonly<Record<string, MetricSpec>>

/** What is read from the database when somebody asks. */
export const STORE_METRICS = {
  broadcaster_store_up: gauge(
    OUTBOX,
    'Whether the database answered the last query: 1, or 0; then the gauges read from it are left out.',
  ),
  broadcaster_store_look_seconds: gauge(OUTBOX, 'Time that the last query of the database took.'),
  broadcaster_workers: gauge(OUTBOX, 'Workers, of all processes, whose lease has not ended.'),
  broadcaster_rows: gauge(
    OUTBOX,
    'Rows of the table, published ones among them; an estimate where counting would scan it.',
  ),
  broadcaster_inbox_rows: gauge(
    OUTBOX,
    'Entries of the inbox in this database, counted to 10,000 and estimated beyond; on SQLite 10,000 = at least that many.',
  ),
  broadcaster_backend_workers: gauge(BACKEND, 'Workers, of all processes, that serve the backend.'),
  broadcaster_lanes_orphaned: gauge(BACKEND, 'Lanes whose worker died, and that no other has taken yet.'),
  broadcaster_waiting_events: gauge(BACKEND, 'Events that are due and not settled, counted to 2,500.'),
  broadcaster_stuck_events: gauge(
    BACKEND,
    'Of the waiting events, those that a blocked key or an open breaker holds; counted to 2,500.',
  ),
  broadcaster_scheduled_events: gauge(BACKEND, 'Events that are not due yet, counted to 2,500.'),
  broadcaster_retrying_events: gauge(BACKEND, 'Undelivered events that were tried before, counted to 2,500.'),
  broadcaster_failed_events: gauge(BACKEND, 'Events that failed for good and are still there, counted to 2,500.'),
  broadcaster_blocked_keys: gauge(BACKEND, 'Keys that a failed event blocks, counted to 2,500.'),
  broadcaster_lag_seconds: gauge(BACKEND, 'Age of the oldest due event that nothing holds; 0 when there is none.'),
  broadcaster_oldest_stuck_seconds: gauge(
    BACKEND,
    'How long events have been held, at most: by an open breaker, a destination that is down, or one of the first hundred blocked keys; 0 when none are.',
  ),
  broadcaster_breaker_open: gauge(BACKEND, 'Whether the breaker of the backend is open, 1 or 0.'),
  broadcaster_destinations_down: gauge(BACKEND, 'Destinations behind the backend whose breaker is open.'),
} as const satisfies Readonly<Record<string, MetricSpec>>

export type ProcessMetricName = keyof typeof PROCESS_METRICS
export type StoreMetricName = keyof typeof STORE_METRICS

/** Every metric, in the order in which they are written. */
export const METRICS: Readonly<Record<string, MetricSpec>> = { ...PROCESS_METRICS, ...STORE_METRICS }
