import { FAR_FUTURE } from '../../record/columns.ts'
import { errorCause } from '../../record/error-cause.ts'
import { UNSETTLED } from '../../record/status.ts'
import type { Outcome, Ownership, SettleReport } from '../relay-store.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

const ATTEMPTS_KEPT = 10

/** Whether this worker still owns the lane, under the fence that it took it with. */
export function ownsLane(outbox: MemoryOutbox, ownership: Ownership, lane: number): boolean {
  return outbox.lanes.some(
    (each) =>
      each.backend === ownership.backend &&
      each.lane === lane &&
      each.owner === ownership.workerId &&
      each.fence === ownership.fences.get(lane),
  )
}

/** Records the outcomes of events. */
export function settle(outbox: MemoryOutbox, ownership: Ownership, outcomes: readonly Outcome[]): SettleReport {
  const now = outbox.now()
  const lost: string[] = []
  for (const outcome of outcomes) {
    const row = outbox.rows.get(outcome.id)
    if (!row || !mayRecord(outbox, ownership, outcome, row)) lost.push(outcome.id)
    else if (outcome.kind === 'published' && outcome.erase === true) outbox.remove(row)
    else record(outbox, ownership, outcome, row, now)
  }
  return { lost, busy: [] }
}

function mayRecord(outbox: MemoryOutbox, ownership: Ownership, outcome: Outcome, row: MemoryRow): boolean {
  if (row.generation !== outcome.generation) return false
  if (outcome.kind === 'published') return row.status !== 'published' && row.status !== 'cancelled'
  // A parked event is not in flight: such an outcome came late, and would hide a head from reconcile.
  if ((outcome.kind === 'sending' || outcome.kind === 'returned') && row.availableAt !== null) return false
  return UNSETTLED.includes(row.status) && row.lane === outcome.lane && ownsLane(outbox, ownership, row.lane)
}

function record(outbox: MemoryOutbox, ownership: Ownership, outcome: Outcome, row: MemoryRow, now: number): void {
  // What is only parked or marked is as due as before; after the clock was set back only this instant says so.
  const isAsDue = outcome.kind === 'park' || outcome.kind === 'sending' || outcome.kind === 'returned'
  row.updatedAt = new Date(isAsDue ? Math.max(now, row.updatedAt.getTime()) : now)
  if ('progress' in outcome && outcome.progress !== undefined) row.progress = outcome.progress
  switch (outcome.kind) {
    case 'published':
      row.status = 'published'
      row.retryCount = outcome.retryCount ?? row.retryCount
      row.publishedAt = new Date(now)
      row.availableAt = null
      break
    case 'retry':
      if (row.retryCount === outcome.retryCount && row.status !== 'processing') setError(row, outcome.error)
      else remember(outbox, ownership, row, outcome.error, now)
      row.status = 'retry'
      row.retryCount = outcome.retryCount
      row.scheduledAt = new Date(now + outcome.delay)
      row.availableAt = new Date(now + outcome.delay)
      break
    case 'failed':
      row.status = 'failed'
      row.retryCount = outcome.retryCount
      row.availableAt = outcome.blocks && row.partitionKey !== null ? FAR_FUTURE : null
      remember(outbox, ownership, row, outcome.error, now)
      break
    case 'park':
      row.availableAt = parkedUntil(outbox, outcome, now)
      break
    case 'sending':
      row.status = 'processing'
      row.retryCount = outcome.retryCount
      break
    case 'returned':
      row.status = outcome.retryCount > 0 ? 'retry' : 'pending'
      row.retryCount = outcome.retryCount
      break
  }
}

function parkedUntil(outbox: MemoryOutbox, outcome: Extract<Outcome, { kind: 'park' }>, now: number): Date | null {
  if (outcome.delay === null) return FAR_FUTURE
  const head = outbox.rows.get(outcome.behind ?? '')
  return head && UNSETTLED.includes(head.status) ? head.availableAt : new Date(now + outcome.delay)
}

function remember(outbox: MemoryOutbox, ownership: Ownership, row: MemoryRow, error: string, now: number): void {
  setError(row, error)
  const attempts = attemptsOf(row)
  attempts.push({
    at: new Date(now).toISOString(),
    worker: outbox.workers.get(ownership.workerId)?.name ?? ownership.workerId,
    error,
  })
  row.attempts = JSON.stringify(attempts.slice(-ATTEMPTS_KEPT))
}

/** The text, and what is stored beside it. */
export function setError(row: MemoryRow, error: string): void {
  Object.assign(row, { lastError: error, ...errorCause(error) })
}

/** A history that is not a list (SQL may have written it) starts afresh. */
function attemptsOf(row: MemoryRow): unknown[] {
  try {
    const attempts: unknown = JSON.parse(row.attempts ?? '[]')
    return Array.isArray(attempts) ? attempts : []
  } catch {
    return []
  }
}
