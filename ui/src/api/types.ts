/** What the server answers, in this page's words. Types only: nothing of the server is in the page. */
export type {
  BackendFlowJson,
  FlowAnswer,
  FlowPointJson as FlowPoint,
  OutageJson,
  OutagesAnswer,
} from '../../../src/admin-http/api-history.ts'
export type {
  ActionAnswer,
  ActionBody,
  ActionName,
  BackendActionAnswer,
  BackendJson,
  BackendRow,
  BlockedKeyJson,
  BreakerJson,
  ConsumerRow,
  DeadLetterResult,
  DeadLetterRow,
  DeadLettersAnswer,
  DryRunAnswer,
  FeatureName,
  FilterAnswer,
  FindingRow,
  InboxRow,
  LiveTrouble,
  OperationBody,
  OperationRow,
  StatusAnswer as Status,
  WorkerJson,
} from '../../../src/admin-http/api-operations.ts'
export type {
  AttemptRow,
  AuditAnswer,
  AuditRow,
  BackendsAnswer,
  BlockedKeyRow,
  Bounded,
  ConsumersAnswer,
  CorrectAnswer,
  CountAnswer,
  EventAnswer,
  EventDetail,
  EventRow,
  EventsAnswer,
  FailureGroup,
  FailuresAnswer,
  FindingsAnswer,
  InboxAnswer,
  KeysAnswer,
  OperationsAnswer,
  Role,
  Searched,
  SessionAnswer as Session,
  StorageAnswer,
  Suggestion,
  UndoAnswer,
} from '../../../src/admin-http/api-types.ts'

/** So many; not exact, or more = at least so many. */
export type Count =
  | { readonly count: number; readonly exact: boolean }
  | { readonly count: number; readonly more: boolean }
