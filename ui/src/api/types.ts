import type { ActionAnswer as Answer, ActionBody as Body } from '../../../src/admin-http/api-operations.ts'

/** What the server answers, in this page's words. Types only: nothing of the server is in the page. */
export type {
  ActionName,
  BackendActionAnswer,
  BackendJson,
  BackendRow,
  BlockedKeyJson,
  BreakerJson,
  ConsumerRow,
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
} from '../../../src/admin-http/api-types.ts'

/** `goOn`: the search ended by its budget; given as `after` it goes on from there. */
export type ActionAnswer = Answer & { readonly goOn?: string | null }
export type ActionBody = Body & { readonly after?: string }

/** What became of dead letters that were to be handed to their consumer again. */
export interface DeadLetterResult {
  readonly results: readonly { readonly id: string; readonly requeued: boolean }[]
}

/** So many; not exact, or more = at least so many. */
export type Count =
  | { readonly count: number; readonly exact: boolean }
  | { readonly count: number; readonly more: boolean }
