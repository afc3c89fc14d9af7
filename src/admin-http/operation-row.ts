import type { Operation } from '../admin/background-operations.ts'
import type { OperationRow } from './api-operations.ts'
import type { EventView } from './shown-event.ts'

/** An operation as the user may see it. */
export function operationRow(operation: Operation, view: EventView, now: Date): OperationRow {
  const {
    id,
    do: kind,
    to,
    text,
    state,
    by,
    reason,
    beganAt,
    endedAt,
    matched,
    moved,
    leftAlone,
    rate,
    error,
    audit,
  } = operation
  return {
    id,
    do: kind,
    to,
    q: view.filter(text, now),
    state,
    by,
    reason: reason === '' ? null : reason,
    startedAt: beganAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    total: matched,
    done: moved,
    unchanged: leftAlone,
    rate,
    error,
    audit,
  }
}
