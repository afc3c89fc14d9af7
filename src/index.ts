export { EventQuery } from './admin/event-query.ts'
export { EventManager } from './admin/events.ts'
export {
  type Backend,
  type BackendCapabilities,
  type BackendHealth,
  delivered,
  notAttempted,
  notDelivered,
  type SendResult,
} from './backend/backend.ts'
export { eachEvent } from './backend/each-event.ts'
export { OutageError, PermanentError, RetryAfterError } from './backend/send-error.ts'
export { Broadcaster, type BroadcasterOptions } from './broadcaster.ts'
export { defineConfig } from './config.ts'
export { BroadcasterError, DoesNotExist, ERROR_CODES, type ErrorCode, MultipleObjectsReturned } from './errors.ts'
export type { AttributeValue, CloudEvent, EncodableEvent } from './event/cloud-event.ts'
export type { Catalogue, DataInput, DataOutput, EventType } from './publish/catalogue.ts'
export type { CloudEventInput, EventInput, PublishOptions } from './publish/event-input.ts'
export type { Route } from './publish/routes.ts'
export type { StandardSchema } from './publish/standard-schema.ts'
export type { ColumnName, OutboxEventColumns } from './record/columns.ts'
export { type Attempt, OutboxEvent } from './record/outbox-event.ts'
export type { Comparison, RecordFilter } from './record/record-source.ts'
export { STATUSES, type Status } from './record/status.ts'
export type { BreakerOptions } from './relay/breaker.ts'
export type { RetentionOptions } from './relay/retention.ts'
export type { BackoffOptions, RetryPolicy } from './relay/retry.ts'
export { Worker } from './relay/worker.ts'
export type { WorkerOptions } from './relay/worker-options.ts'
export type { BackendStats, OutboxStats } from './store/admin-store.ts'
export type { Dialect, Row, Statement } from './store/statement.ts'
export { joinStatement } from './store/statement.ts'
export type { MigrationStatus, Store } from './store/store.ts'
export type { TransactionAdapter } from './store/transaction-adapter.ts'
export { onSignal, SIGNAL_NAMES, type SignalMessage, type SignalName, type Signals } from './telemetry/signals.ts'
