import type { MetricLabel, ProcessMetricName, StoreMetricName } from '../metrics/metric-table.ts'

/** A metric of ours as OpenTelemetry has it. */
export interface InstrumentSpec {
  readonly name: `broadcaster.${string}`
  /** As UCUM writes it. */
  readonly unit: string
  /** Its values, over all processes: added up, or the same in each. Default 'same'. Counters and histograms always add up. */
  readonly across?: 'sum' | 'same'
}

/** The attribute of each label. */
export const LABEL_ATTRIBUTES = {
  outbox: 'broadcaster.outbox',
  backend: 'broadcaster.backend',
  consumer: 'messaging.consumer.group.name',
  signal: 'broadcaster.signal',
} as const satisfies Record<MetricLabel, string>

const event = '{event}'
const lane = '{lane}'
const worker = '{worker}'

/** One for each metric of `metrics/metric-table.ts`, which has its kind, labels, buckets and description. */
export const INSTRUMENTS = {
  broadcaster_events_inserted_total: { name: 'broadcaster.events.inserted', unit: event },
  broadcaster_events_duplicate_total: { name: 'broadcaster.events.duplicate', unit: event },
  broadcaster_events_sent_total: { name: 'broadcaster.events.sent', unit: event },
  broadcaster_events_acknowledged_total: { name: 'broadcaster.events.acknowledged', unit: event },
  broadcaster_events_published_total: { name: 'broadcaster.events.published', unit: event },
  broadcaster_events_retried_total: { name: 'broadcaster.events.retried', unit: event },
  broadcaster_events_failed_total: { name: 'broadcaster.events.failed', unit: event },
  broadcaster_events_blocked_total: { name: 'broadcaster.events.blocked', unit: event },
  broadcaster_outcomes_lost_total: { name: 'broadcaster.outcomes.lost', unit: event },
  broadcaster_delivery_seconds: { name: 'broadcaster.delivery.duration', unit: 's' },
  broadcaster_batch_events: { name: 'broadcaster.batch.size', unit: event },
  broadcaster_send_seconds: { name: 'broadcaster.send.duration', unit: 's' },
  broadcaster_settle_seconds: { name: 'broadcaster.settle.duration', unit: 's' },
  broadcaster_breaker_opened_total: { name: 'broadcaster.breaker.opened', unit: '{opening}' },
  broadcaster_breaker_closed_total: { name: 'broadcaster.breaker.closed', unit: '{closing}' },
  broadcaster_destination_breaker_opened_total: { name: 'broadcaster.destination_breaker.opened', unit: '{opening}' },
  broadcaster_destination_breaker_closed_total: { name: 'broadcaster.destination_breaker.closed', unit: '{closing}' },
  broadcaster_rate_waited_seconds_total: { name: 'broadcaster.rate.waited', unit: 's' },
  broadcaster_backend_unserved_total: { name: 'broadcaster.backend.unserved', unit: '{finding}' },
  broadcaster_lanes_held: { name: 'broadcaster.lanes.held', unit: lane, across: 'sum' },
  broadcaster_lanes_lost_total: { name: 'broadcaster.lanes.lost', unit: lane },
  broadcaster_workers_running: { name: 'broadcaster.workers.running', unit: worker, across: 'sum' },
  broadcaster_worker_errors_total: { name: 'broadcaster.worker.errors', unit: '{error}' },
  broadcaster_store_outages_total: { name: 'broadcaster.store.outages', unit: '{outage}' },
  broadcaster_store_recoveries_total: { name: 'broadcaster.store.recoveries', unit: '{recovery}' },
  broadcaster_events_purged_total: { name: 'broadcaster.events.purged', unit: event },
  broadcaster_inbox_purged_total: { name: 'broadcaster.inbox.purged', unit: '{entry}' },
  broadcaster_retention_finished_timestamp_seconds: { name: 'broadcaster.retention.finished', unit: 's' },
  broadcaster_retention_seconds: { name: 'broadcaster.retention.duration', unit: 's' },
  broadcaster_listener_failures_total: { name: 'broadcaster.listener.failures', unit: '{failure}' },
  broadcaster_consumers_running: { name: 'broadcaster.consumers.running', unit: '{consumer}', across: 'sum' },
  broadcaster_consumer_errors_total: { name: 'broadcaster.consumer.errors', unit: '{error}' },
  broadcaster_consumer_gaps_total: { name: 'broadcaster.consumer.gaps', unit: '{gap}' },
  broadcaster_consumer_backlog_messages: { name: 'broadcaster.consumer.backlog', unit: '{message}' },
  broadcaster_deliveries_handled_total: { name: 'broadcaster.deliveries.handled', unit: event },
  broadcaster_deliveries_duplicate_total: { name: 'broadcaster.deliveries.duplicate', unit: event },
  broadcaster_deliveries_ignored_total: { name: 'broadcaster.deliveries.ignored', unit: event },
  broadcaster_deliveries_retried_total: { name: 'broadcaster.deliveries.retried', unit: event },
  broadcaster_deliveries_failed_total: { name: 'broadcaster.deliveries.failed', unit: event },
  broadcaster_handle_seconds: { name: 'broadcaster.handle.duration', unit: 's' },
  broadcaster_store_up: { name: 'broadcaster.store.up', unit: '1' },
  broadcaster_store_look_seconds: { name: 'broadcaster.store.look.duration', unit: 's' },
  broadcaster_workers: { name: 'broadcaster.workers', unit: worker },
  broadcaster_rows: { name: 'broadcaster.rows', unit: '{row}' },
  broadcaster_inbox_rows: { name: 'broadcaster.inbox.rows', unit: '{entry}' },
  broadcaster_backend_workers: { name: 'broadcaster.backend.workers', unit: worker },
  broadcaster_lanes_orphaned: { name: 'broadcaster.lanes.orphaned', unit: lane },
  broadcaster_waiting_events: { name: 'broadcaster.events.waiting', unit: event },
  broadcaster_stuck_events: { name: 'broadcaster.events.stuck', unit: event },
  broadcaster_scheduled_events: { name: 'broadcaster.events.scheduled', unit: event },
  broadcaster_retrying_events: { name: 'broadcaster.events.retrying', unit: event },
  broadcaster_failed_events: { name: 'broadcaster.events.kept_failed', unit: event },
  broadcaster_blocked_keys: { name: 'broadcaster.keys.blocked', unit: '{key}' },
  broadcaster_lag_seconds: { name: 'broadcaster.lag', unit: 's' },
  broadcaster_oldest_stuck_seconds: { name: 'broadcaster.oldest_stuck', unit: 's' },
  broadcaster_breaker_open: { name: 'broadcaster.breaker.open', unit: '1' },
  broadcaster_destinations_down: { name: 'broadcaster.destinations.down', unit: '{destination}' },
} as const satisfies Readonly<Record<ProcessMetricName | StoreMetricName, InstrumentSpec>>
