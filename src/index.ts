export type { ActedBy } from './admin/actor.ts'
export type { Admin } from './admin/admin.ts'
export type { AuditCounts, AuditEntry, AuditTarget, ListAuditOptions } from './admin/audit-log.ts'
export type {
  ActOnEvents,
  ActOptions,
  ReplayEvents,
  ReplayOptions,
  RescheduleByOperator,
} from './admin/audited-moves.ts'
export type { Operation, OperationKind, Operations, StartOperation } from './admin/background-operations.ts'
export type { ConsumerDeadLetters, ListDeadLettersOptions } from './admin/consumer-dead-letters.ts'
export type { CorrectEvent, CorrectOptions, EventCorrection } from './admin/corrections.ts'
export type { Defined } from './admin/defined.ts'
export type { EventQuery, IterateOptions, OrderTerm } from './admin/event-query.ts'
export type { EventManager } from './admin/events.ts'
export { FINDING_CODES, type Finding, type FindingCode } from './admin/finding.ts'
export type { BackendFlow, DeliveryTimes, Flow, FlowPoint, FlowRange } from './admin/flow.ts'
export type { ConsumerEntry } from './admin/known-consumers.ts'
export type { BlockedKeyPlace, BlockedKeysPage, ListBlockedKeysOptions } from './admin/list-blocked-keys.ts'
export type { InboxPage, ListInboxOptions } from './admin/list-inbox.ts'
export type { MoveOptions, MoveTarget } from './admin/move-events.ts'
export type { MoveResult } from './admin/move-in-peace.ts'
export type { MoveEvents, MovePreview, RescheduleEvents } from './admin/moves.ts'
export type { FlowOptions, ListOutagesOptions } from './admin/outbox-history.ts'
export type { PausedBackend } from './admin/pauses.ts'
export type { PurgeOptions } from './admin/purge-now.ts'
export type {
  BackendStats,
  BackendStatus,
  LaneStatus,
  OpenBreaker,
  OutboxStats,
  OutboxStatus,
  Paused,
  WorkerStatus,
} from './admin/status.ts'
export type { StatusOptions } from './admin/status-options.ts'
export { TEST_EVENT_TYPE, type TestEventOptions } from './admin/test-events.ts'
export type { Undone, UndoOptions } from './admin/undo-action.ts'
export {
  type Backend,
  type BackendCapabilities,
  type BackendFinding,
  type BackendHealth,
  delivered,
  notAttempted,
  notDelivered,
  type SendContext,
  type SendResult,
} from './backend/backend.ts'
export { type EachEventOptions, eachEvent } from './backend/each-event.ts'
export type { RateParts, SendRate } from './backend/rate.ts'
export { OutageError, PermanentError, RetryAfterError } from './backend/send-error.ts'
export { Broadcaster } from './broadcaster.ts'
export type { BroadcasterHooks, BroadcasterOptions } from './broadcaster-options.ts'
export { defineConfig } from './config.ts'
export { Consumer } from './consumer/consumer.ts'
export type { ConsumerOptions, HandlingOptions } from './consumer/consumer-options.ts'
export type { DeadLetter, DeadLetterPage, DeadLetterPlace } from './consumer/dead-letter-place.ts'
export type { EventHandlers } from './consumer/event-handlers.ts'
export type { RunInTransaction, RunTransaction, TransactionResult } from './consumer/handling.ts'
export { orderKeyOf } from './consumer/read-event.ts'
export type { DeadLetterReason, Delivery, Subscription, SubscriptionContext } from './consumer/subscription.ts'
export {
  BroadcasterError,
  DoesNotExist,
  DoesNotExistError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  MultipleObjectsReturned,
  MultipleObjectsReturnedError,
} from './errors.ts'
export type { Catalogue, DataInput, DataOutput, EventType, NoCatalogue, UnlistedEvents } from './event/catalogue.ts'
export type { AttributeValue, CloudEvent, EncodableEvent } from './event/cloud-event.ts'
export type { DeliveryEvent } from './event/delivery-event.ts'
export type { Messaging } from './event/messaging.ts'
export type { OutgoingEvent } from './event/outgoing-event.ts'
export type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './event/standard-schema.ts'
export { toNodeListener } from './foundation/node-listener.ts'
export type { BackoffOptions, RetryPolicy } from './foundation/retry-policy.ts'
export type { Handler, HandlerContext } from './handlers/handler.ts'
export type { DecodedData, HandlerHooks, HandlingPlace } from './handlers/handler-hooks.ts'
export type { Health, HealthCheck, HealthOptions, HealthSource, Liveness } from './health/health.ts'
export { type HealthHandlerOptions, healthHandler } from './health/health-handler.ts'
export { type IdentifiedEvent, Inbox, type InboxOptions } from './inbox/inbox.ts'
export type {
  AnyEventInput,
  CloudEventInput,
  CreateInput,
  EventInput,
  ExtensionsInput,
  PublishOptions,
} from './publish/event-input.ts'
export type { AddedAttributes, DraftEvent, EncodedData, PublishHooks } from './publish/hooks.ts'
export type { Route } from './publish/routes.ts'
export type { Attempt } from './record/attempt.ts'
export type { ColumnName, FilterColumn, OutboxEventColumns, SendRow } from './record/columns.ts'
export { OutboxEvent } from './record/outbox-event.ts'
export type { Comparison, RecordFilter, RecordSource } from './record/record-source.ts'
export { STATUSES, type Status } from './record/status.ts'
export type { BreakerOptions } from './relay/breaker.ts'
export type { PooledState } from './relay/pooled-worker.ts'
export type { RelayHooks, Sending } from './relay/send-hooks.ts'
export type { SendShare } from './relay/send-slots.ts'
export type { Worker } from './relay/worker.ts'
export type { ResolvedWorkerOptions, WorkerOptions } from './relay/worker-options.ts'
export { type PooledOutbox, type PooledStatus, WorkerPool } from './relay/worker-pool.ts'
export type { WorkerPoolOptions } from './relay/worker-pool-options.ts'
export type { ArchiveEvents } from './retention/archive.ts'
export type { RetentionOptions, TypeRetentionOptions } from './retention/retention-options.ts'
export type { AuditOutcome } from './store/audit-store.ts'
export type { BlockedHead, BlockedHeads, BlockedHeadsQuery, TroubledPlace } from './store/blocked-heads.ts'
export type { CaptureOptions } from './store/capture.ts'
export { isRetryable } from './store/database-error.ts'
export type { BreakerName, OutageEntry } from './store/history-store.ts'
export type { InboxPlace, ListedInboxEntry } from './store/inbox-store.ts'
export type { ExtraIndex, Inspection, Unreachable } from './store/inspection.ts'
export type { OperationState } from './store/operation-store.ts'
export type { BlockedKey, Count } from './store/outbox-look.ts'
export type { DeadRows, InspectOptions, OpenTransaction, ServerLook } from './store/server-look.ts'
export type { Dialect, Row, Statement } from './store/statement.ts'
export { joinStatement } from './store/statement.ts'
export type { MigrateOptions, MigrationStatus, PrintOptions, Store } from './store/store.ts'
export type { IndexSize, TableSize } from './store/table-sizes.ts'
export type { TransactionAdapter } from './store/transaction-adapter.ts'
export type { Logger, LoggerOption } from './telemetry/logger.ts'
export {
  type DeliverySignal,
  onSignal,
  SIGNAL_NAMES,
  type SignalMessage,
  type SignalName,
  type Signals,
} from './telemetry/signals.ts'
export {
  type LogLevel,
  type ObjectLogger,
  type StructuredLogger,
  type StructuredLoggerOptions,
  structuredLogger,
} from './telemetry/structured-logger.ts'
