import { FAR_FUTURE } from '../../record/columns.ts'
import type { AdminMove } from '../admin-store.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

/** What an event was before a move, and the generation that this gave it. */
export interface BeforeMove extends Pick<MemoryRow, 'generation' | 'status' | 'retryCount' | 'scheduledAt'> {
  /** It had failed, and blocked its key. */
  readonly held: boolean
}

/** Keeps what an event is, before a move that can be undone. One that is moved twice goes back to where it was first. */
export function keepForUndo(
  outbox: MemoryOutbox,
  { kind }: AdminMove,
  row: MemoryRow,
  entry: number | undefined,
): void {
  if (entry === undefined || (kind !== 'requeue' && kind !== 'cancel')) return
  const all = outbox.undo.get(entry) ?? new Map<string, BeforeMove>()
  outbox.undo.set(entry, all)
  const { status, retryCount, scheduledAt, availableAt } = row
  const held = status === 'failed' && availableAt !== null
  const before = all.get(row.id) ?? { status, retryCount, scheduledAt, held }
  all.set(row.id, { ...before, generation: row.generation + 1 })
}

/** Nothing has become of it since the move under this entry. */
export function isUndoable(outbox: MemoryOutbox, row: MemoryRow, entry: number): boolean {
  const isUntouched = row.status === 'cancelled' || (row.status === 'pending' && row.retryCount === 0)
  return isUntouched && outbox.undo.get(entry)?.get(row.id)?.generation === row.generation
}

/** It goes back to what it was: blocks its key again, if it did, and is not due before its time. */
export function undo(outbox: MemoryOutbox, row: MemoryRow, entry: number, now: number): void {
  const before = outbox.undo.get(entry)?.get(row.id)
  if (before === undefined) return
  const { status, retryCount, scheduledAt, held } = before
  const isLater = (status === 'pending' || status === 'retry') && scheduledAt.getTime() > now
  const availableAt = held ? FAR_FUTURE : isLater ? new Date(scheduledAt) : null
  Object.assign(row, { status, retryCount, scheduledAt, availableAt })
  outbox.undo.get(entry)?.delete(row.id)
}
