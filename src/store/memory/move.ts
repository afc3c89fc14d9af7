import { FAR_FUTURE } from '../../record/columns.ts'
import { canMove, UNSETTLED } from '../../record/status.ts'
import type { AdminMove } from '../admin-store.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

/** Applies a move to events whose status allows it, and returns their ids. */
export function move(outbox: MemoryOutbox, ids: readonly string[], wanted: AdminMove): readonly string[] {
  const now = outbox.now()
  const moved: MemoryRow[] = []
  for (const id of new Set(ids)) {
    const row = outbox.rows.get(id)
    if (!row || !allows(row, wanted)) continue
    change(row, wanted, now)
    row.updatedAt = new Date(now)
    row.generation++
    moved.push(row)
  }
  outbox.raiseAttention(moved)
  return moved.map((row) => row.id)
}

function allows({ status }: MemoryRow, { kind }: AdminMove): boolean {
  switch (kind) {
    case 'requeue':
      return status === 'failed' || status === 'cancelled' || status === 'retry'
    case 'replay':
      return status === 'published'
    case 'skip':
      return status === 'failed'
    case 'cancel':
      return canMove(status, 'cancelled')
    case 'markPublished':
      return canMove(status, 'published')
    case 'markFailed':
    case 'incrementRetry':
    case 'reschedule':
      return UNSETTLED.includes(status)
  }
}

function change(row: MemoryRow, move: AdminMove, now: number): void {
  switch (move.kind) {
    case 'requeue':
    case 'replay':
      row.status = 'pending'
      row.retryCount = 0
      row.publishedAt = null
      row.scheduledAt = new Date(now)
      row.availableAt = null
      break
    case 'skip':
      row.availableAt = null
      break
    case 'cancel':
      row.status = 'cancelled'
      row.availableAt = null
      break
    case 'markPublished':
      row.status = 'published'
      row.publishedAt = new Date(now)
      row.availableAt = null
      break
    case 'markFailed':
      fail(row, move.error)
      break
    case 'incrementRetry':
      row.retryCount++
      if (row.retryCount >= row.maxRetries) {
        fail(row, move.error)
        break
      }
      row.status = 'retry'
      row.lastError = move.error
      row.scheduledAt = new Date(now + move.delay)
      row.availableAt = row.scheduledAt
      break
    case 'reschedule':
      row.scheduledAt = new Date(move.at)
      row.availableAt = move.at.getTime() > now ? new Date(move.at) : null
      break
  }
}

/** An event that failed for good blocks its key until somebody releases it. */
function fail(row: MemoryRow, error: string): void {
  row.status = 'failed'
  row.lastError = error
  row.availableAt = row.partitionKey === null ? null : FAR_FUTURE
}
