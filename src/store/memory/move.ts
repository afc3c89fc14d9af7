import { parseJson, stringifyJson } from '../../event/json.ts'
import { FAR_FUTURE, type NewOutboxEvent } from '../../record/columns.ts'
import { canMove, UNSETTLED } from '../../record/status.ts'
import type { AdminMove, Hold, MoveReport, OperationMove } from '../admin-store.ts'
import { LONGEST_HOLD } from '../coordination-store.ts'
import { passable, stepTaken } from '../operation-store.ts'
import { NO_COPIES, type StoredCopies } from '../store-copies.ts'
import type { MemoryLane, MemoryOutbox, MemoryRow } from './memory-outbox.ts'
import { advance, isStepDue } from './operations.ts'
import { newRow } from './publish.ts'
import { setError } from './settle.ts'
import { isUndoable, keepForUndo, undo } from './undo.ts'

/** Which of the events a move is for. */
interface Meant {
  readonly meets: (row: MemoryRow) => boolean
  /** The step that it is part of. */
  readonly step?: OperationMove
  readonly entry: number | undefined
}

/** Applies a move as a step of an operation, if that is due. */
export function moveStep(
  outbox: MemoryOutbox,
  step: OperationMove,
  ...[ids, wanted, holds, meant]: readonly [readonly string[], AdminMove, readonly Hold[], Meant]
): MoveReport {
  if (!isStepDue(outbox, step)) return { moved: [], busy: [] }
  const report = move(outbox, ids, wanted, holds, { ...meant, step })
  const passed = passable(ids, report.busy, step)
  advance(outbox, step.id, step.owner, stepTaken(ids, passed, report.moved.length, step))
  return { ...report, passed }
}

/** Applies a move to events whose status allows it, where no worker can be sending them. */
export function move(
  outbox: MemoryOutbox,
  ids: readonly string[],
  wanted: AdminMove,
  holds: readonly Hold[],
  { meets, step, entry }: Meant,
): MoveReport {
  const now = outbox.now()
  const moved: MemoryRow[] = []
  const busy: string[] = []
  const copies = wanted.kind === 'copy' ? storeCopies(outbox, wanted.rows, now) : NO_COPIES
  for (const id of wanted.kind === 'copy' ? copies.there.keys() : new Set(ids)) {
    const row = outbox.rows.get(id)
    // Makes missing lanes, as the other stores do, where a move locks them.
    if (row && row.publisherBackend !== '') outbox.makeLanes(row.publisherBackend)
    if (!row || !allows(outbox, row, wanted) || !meets(row) || isMarked(row, wanted, step?.id)) continue
    const parked = row.availableAt !== null && row.availableAt.getTime() > now
    // A parked event is not in flight.
    const mayBeInHand = UNSETTLED.includes(row.status) && !parked
    if (mayBeInHand && outbox.lanesOf(row).some((lane) => !isFree(outbox, lane, holds))) {
      busy.push(id)
      continue
    }
    // A step stops at the first busy event.
    if (step && step.end !== null && !step.leaveBusy && busy.length > 0) continue
    keepForUndo(outbox, wanted, row, entry)
    change(outbox, row, wanted, now)
    if (step && isReplay(wanted)) mark(row, step.id)
    row.updatedAt = new Date(now)
    row.generation++
    moved.push(row)
  }
  lift(outbox, holds, (lane) => isFree(outbox, lane, holds))
  outbox.raiseAttention(moved)
  const done = moved.map(({ id }) => copies.there.get(id) ?? id)
  return { moved: [...copies.stored, ...done], busy }
}

/**
 * Asks the owners of these events' lanes to leave them alone. Without a hold the owner may be sending, whatever it
 * answered before: `quietFor` is -n, and only answers beyond n count.
 */
export function hold(outbox: MemoryOutbox, ids: readonly string[], duration: number): readonly Hold[] {
  const rows = ids.flatMap((id) => outbox.rows.get(id) ?? []).filter((row) => UNSETTLED.includes(row.status))
  const lanes = new Set(rows.flatMap((row) => outbox.lanesOf(row)))
  const now = outbox.now()
  const until = now + duration
  for (const lane of lanes) {
    if (lane.holdUntil === null) lane.quietFor = 0 - lane.hold
    lane.hold++
    lane.holdUntil = Math.min(now + LONGEST_HOLD, Math.max(until, lane.holdUntil ?? until))
  }
  if (lanes.size > 0) outbox.wake()
  return [...lanes].map(({ backend, lane, hold: number }) => ({ backend, lane, number }))
}

/** Ends holds that have not been renewed since. */
export function lift(outbox: MemoryOutbox, holds: readonly Hold[], which: (lane: MemoryLane) => boolean): void {
  const lanes = outbox.lanes.filter((lane) => which(lane) && holdOf(lane, holds) === lane.hold)
  for (const lane of lanes) lane.holdUntil = null
  if (lanes.length > 0) outbox.wake()
}

/** No live worker owns it, or its owner has answered our hold, which has not lapsed. */
function isFree(outbox: MemoryOutbox, lane: MemoryLane, holds: readonly Hold[]): boolean {
  const worker = outbox.workers.get(lane.owner ?? '')
  if (worker === undefined || worker.leaseUntil <= outbox.now()) return true
  const number = holdOf(lane, holds)
  return number !== undefined && lane.holdUntil !== null && lane.quietFor >= number
}

function holdOf(lane: MemoryLane, holds: readonly Hold[]): number | undefined {
  return holds.find((each) => each.backend === lane.backend && each.lane === lane.lane)?.number
}

function allows(outbox: MemoryOutbox, row: MemoryRow, wanted: AdminMove): boolean {
  const { status } = row
  switch (wanted.kind) {
    case 'requeue':
      return status === 'failed' || status === 'cancelled' || status === 'retry'
    case 'replay':
      return status === 'published'
    case 'copy':
      return status === 'published' || status === 'failed' || status === 'cancelled'
    case 'skip':
      return status === 'failed'
    case 'cancel':
    case 'correct':
      return canMove(status, 'cancelled')
    case 'markPublished':
      return canMove(status, 'published')
    case 'markFailed':
    case 'incrementRetry':
    case 'reschedule':
      return UNSETTLED.includes(status)
    case 'undo':
      return isUndoable(outbox, row, wanted.entry)
    case 'delete':
      return wanted.published || status !== 'published'
  }
}

function change(outbox: MemoryOutbox, row: MemoryRow, move: AdminMove, now: number): void {
  switch (move.kind) {
    case 'requeue':
    case 'replay':
    case 'copy':
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
    case 'correct':
      correct(outbox, row, move.row, now)
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
      setError(row, move.error)
      row.scheduledAt = new Date(now + move.delay)
      row.availableAt = row.scheduledAt
      break
    case 'reschedule':
      row.scheduledAt = new Date(move.at)
      row.availableAt = move.at.getTime() > now ? new Date(move.at) : null
      break
    case 'undo':
      undo(outbox, row, move.entry, now)
      break
    case 'delete':
      outbox.remove(row)
      break
  }
}

/** Stores rows as a publish does, and finds those that existed. */
function storeCopies(outbox: MemoryOutbox, rows: readonly NewOutboxEvent[], now: number): StoredCopies {
  const stored = new Set<string>()
  const there = new Map<string, string>()
  for (const row of rows) {
    const found = outbox.sameAs(row)
    if (found === undefined) {
      outbox.add(newRow(outbox, row, now))
      stored.add(row.id)
    } else if (!stored.has(found.id)) there.set(found.id, row.id)
  }
  if (stored.size > 0) outbox.wake()
  return { stored: [...stored], there }
}

function isReplay({ kind }: AdminMove): boolean {
  return kind === 'replay' || kind === 'copy'
}

/** What this operation has marked was already replayed by it. */
function isMarked({ extensions }: MemoryRow, move: AdminMove, operation: number | undefined): boolean {
  if (operation === undefined || !isReplay(move)) return false
  return (parseJson(extensions ?? '{}') as { readonly replay?: unknown }).replay === operation
}

function mark(row: MemoryRow, replay: number): void {
  row.extensions = stringifyJson({ ...(parseJson(row.extensions ?? '{}') as object), replay })
}

/** Cancels the old one; the new one takes its lane and its place there. */
function correct(outbox: MemoryOutbox, row: MemoryRow, event: NewOutboxEvent, now: number): void {
  const due = row.status === 'pending' ? row.scheduledAt : new Date(now)
  const next = newRow(outbox, event, now)
  const { seq } = next
  const availableAt = due.getTime() > now ? new Date(due) : null
  outbox.add(Object.assign(next, { seq: row.seq, lane: row.lane, scheduledAt: new Date(due), availableAt }))
  Object.assign(row, { seq, status: 'cancelled', scheduledAt: due, availableAt: null })
}

/** An event that failed for good blocks its key until it is released. */
function fail(row: MemoryRow, error: string): void {
  row.status = 'failed'
  setError(row, error)
  row.availableAt = row.partitionKey === null ? null : FAR_FUTURE
}
