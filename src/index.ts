export { EventQuery } from './admin/event-query.ts'
export { EventManager } from './admin/events.ts'
export {
  type Backend,
  type BackendCapabilities,
  type BackendFinding,
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
export { Consumer } from './consumer/consumer.ts'
export type { ConsumerOptions, HandlingOptions } from './consumer/consumer-options.ts'
export type { EventContext, EventHandler, EventHandlers, ReceivedEvent } from './consumer/event-handlers.ts'
export type { RunTransaction } from './consumer/handling.ts'
export { orderKeyOf } from './consumer/order-key.ts'
export type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from './consumer/subscription.ts'
export { BroadcasterError, DoesNotExist, ERROR_CODES, type ErrorCode, MultipleObjectsReturned } from './errors.ts'
export type { Catalogue, DataInput, DataOutput, EventType } from './event/catalogue.ts'
export type { AttributeValue, CloudEvent, EncodableEvent } from './event/cloud-event.ts'
export type { StandardSchema } from './event/standard-schema.ts'
export { type IdentifiedEvent, Inbox, type InboxOptions } from './inbox/inbox.ts'
export type { CloudEventInput, EventInput, PublishOptions } from './publish/event-input.ts'
export type { Route } from './publish/routes.ts'
export type { ColumnName, OutboxEventColumns } from './record/columns.ts'
export { type Attempt, OutboxEvent } from './record/outbox-event.ts'
export type { Comparison, RecordFilter } from './record/record-source.ts'
export { STATUSES, type Status } from './record/status.ts'
export type { BreakerOptions } from './relay/breaker.ts'
export type { RetentionOptions } from './relay/retention.ts'
export { Worker } from './relay/worker.ts'
export type { WorkerOptions } from './relay/worker-options.ts'
export { type PooledOutbox, type PooledStatus, WorkerPool } from './relay/worker-pool.ts'
export type { WorkerPoolOptions } from './relay/worker-pool-options.ts'
export type { BackoffOptions, RetryPolicy } from './retry-policy.ts'
export type { BackendStats, OutboxStats } from './store/admin-store.ts'
export type { CaptureOptions } from './store/capture.ts'
export type { ExtraIndex, Inspection } from './store/inspection.ts'
export type { Dialect, Row, Statement } from './store/statement.ts'
export { joinStatement } from './store/statement.ts'
export type { MigrateOptions, MigrationStatus, PrintOptions, Store } from './store/store.ts'
export type { TransactionAdapter } from './store/transaction-adapter.ts'
export type { Logger, LoggerOption } from './telemetry/logger.ts'
export { onSignal, SIGNAL_NAMES, type SignalMessage, type SignalName, type Signals } from './telemetry/signals.ts'
