import type { SQLInputValue } from 'node:sqlite'
import { errorValues } from '../../record/error-cause.ts'
import type { AdminMove, Hold, MoveReport, MoveTerms } from '../admin-store.ts'
import { holdOfRow, holdsBeside, laneKey } from '../coordination-rows.ts'
import { LONGEST_HOLD } from '../coordination-store.ts'
import { passable, stepTaken } from '../operation-store.ts'
import type { Row } from '../statement.ts'
import { NO_COPIES, storeCopies } from '../store-copies.ts'
import { fromSqlId, toSqlDate, toSqlId } from '../values.ts'
import { allOf } from './condition.ts'
import type { Connection } from './connection.ts'
import { makeLanes, raiseAttention } from './coordination.ts'
import { comeInto } from './correct.ts'
import { advance, isStepDue } from './operations.ts'
import { publish } from './publish.ts'
import { runOn } from './run-program.ts'
import type { Tables } from './tables.ts'
import { forgetUndone, keepForUndo, undoMove } from './undo.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus } from './values.ts'

/**
 * Asks the owners of the lanes in which these events wait to leave them alone. Without a hold the owner may be sending,
 * whatever it answered before: `quiet_for` is -n, and only answers beyond n count.
 */
export function hold(t: Tables) {
  const sql = `
    UPDATE ${t.lanes} AS l SET quiet_for = CASE WHEN hold_until IS NULL THEN -hold ELSE quiet_for END,
      hold = hold + 1,
      hold_until = min(max(coalesce(hold_until, ''), ${nowPlus('?')}), ${nowPlus(String(LONGEST_HOLD / 1_000))})
    WHERE EXISTS (
      SELECT 1 FROM ${t.events} AS e
      WHERE e.id IN (SELECT value FROM json_each(?)) AND e.status IN ('pending', 'retry', 'processing')
        AND e.lane = l.lane AND e.publisher_backend IN (l.backend, ''))
    RETURNING backend, lane, hold`
  return (db: Connection, ids: readonly string[], duration: number): readonly Hold[] =>
    db.all(sql, duration / 1000, JSON.stringify(ids.map(toSqlId))).map(holdOfRow)
}

/** Ends holds that have not been renewed since. */
export function lift(t: Tables) {
  const sql = `UPDATE ${t.lanes} SET hold_until = NULL WHERE backend = ? AND lane = ? AND hold = ?`
  return (db: Connection, holds: readonly Hold[]): void => {
    for (const { backend, lane, number } of holds) db.run(sql, backend, lane, number)
  }
}

/** The lanes of these events whose live owner may be sending: it answered none of these holds, or it has lapsed. */
function busyLanes(t: Tables) {
  const sql = `
    SELECT l.backend, l.lane FROM ${t.lanes} AS l
    WHERE EXISTS (SELECT 1 FROM ${t.workers} AS w WHERE w.id = l.owner AND w.lease_until > ${NOW})
      AND (EXISTS (
        SELECT 1 FROM ${t.events} AS e
        WHERE e.id IN (SELECT value FROM json_each(?)) AND e.lane = l.lane AND e.publisher_backend IN (l.backend, ''))
        OR EXISTS (
          SELECT 1 FROM json_each(?)
          WHERE json_extract(value, '$.backend') = l.backend AND json_extract(value, '$.lane') = l.lane))
      AND NOT EXISTS (
        SELECT 1 FROM json_each(?)
        WHERE json_extract(value, '$.backend') = l.backend AND json_extract(value, '$.lane') = l.lane
          AND l.hold_until IS NOT NULL AND l.quiet_for >= json_extract(value, '$.number'))`
  return (db: Connection, ids: readonly string[], holds: readonly Hold[]): readonly Omit<Hold, 'number'>[] =>
    db.all(sql, JSON.stringify(ids.map(toSqlId)), JSON.stringify(holds), JSON.stringify(holds)).map(laneKey)
}

/** Applies a move to events whose status, as it is in the table, allows it, where no worker can be sending them. */
export function move(t: Tables) {
  // A parked event is not in flight.
  const isBusy = `status IN ('pending', 'retry', 'processing') AND (available_at IS NULL OR available_at <= ${NOW})
    AND EXISTS (
      SELECT 1 FROM json_each(?) AS b
      WHERE json_extract(b.value, '$.lane') = lane
        AND (json_extract(b.value, '$.backend') = publisher_backend OR publisher_backend = ''))`
  // Nothing else re-checks what is decided about these rows: nobody else can write meanwhile.
  const change = (what: string, statuses: string, unless = 'false') => ({
    find: `SELECT id, ${isBusy} AS busy FROM ${t.events}
      WHERE id IN (SELECT value FROM json_each(?)) AND status IN (${statuses}) AND (${unless}) IS NOT TRUE`,
    change: `${what} WHERE id IN (SELECT value FROM json_each(?)) RETURNING id, lane, publisher_backend`,
  })
  const update = (set: string, statuses: string, unless?: string) =>
    change(
      `UPDATE ${t.events} SET ${set}, updated_at = ${NOW}, generation = CASE WHEN generation < 2147483647 THEN generation + 1 ELSE 0 END`,
      statuses,
      unless,
    )
  const unsettled = "'pending', 'retry', 'processing'"
  const again = `status = 'pending', retry_count = 0, published_at = NULL, scheduled_at = ${NOW}, available_at = NULL`
  // Extensions that plain SQL wrote as something other than an object stay as they are.
  const isObject = `CASE WHEN json_valid(extensions) THEN json_type(extensions) = 'object' ELSE false END`
  const marked = (statuses: string) =>
    update(
      `${again}, extensions = CASE WHEN ? IS NULL THEN extensions WHEN extensions IS NULL THEN json_object('replay', CAST(? AS INTEGER))
        WHEN ${isObject} THEN json_set(extensions, '$.replay', CAST(? AS INTEGER)) ELSE extensions END`,
      statuses,
      `CASE WHEN ${isObject} THEN json_extract(extensions, '$.replay') = ? END`,
    )
  // A failed event blocks its key, if it has one, until it is released.
  const blocking = `CASE WHEN partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`
  // Plain SQL may have set the count beyond the maximum of the other databases.
  const counted = 'max(retry_count, min(retry_count + 1, 2147483647))'
  const exhausted = `(${counted} >= max_retries OR ${counted} >= 2147483647)`
  const due = nowPlus('?')
  const cause = 'last_error = ?, error_code = ?, error_fingerprint = ?'
  const sql: Readonly<Record<AdminMove['kind'], ReturnType<typeof change>>> = {
    undo: undoMove(t, isBusy),
    requeue: update(again, "'failed', 'cancelled', 'retry'"),
    replay: marked("'published'"),
    copy: marked("'published', 'failed', 'cancelled'"),
    skip: update('available_at = NULL', "'failed'"),
    cancel: update("status = 'cancelled', available_at = NULL", `${unsettled}, 'failed'`),
    // The new event's due time is read from here.
    correct: update(
      `status = 'cancelled', available_at = NULL,
       scheduled_at = CASE WHEN status = 'pending' THEN scheduled_at ELSE ${NOW} END`,
      `${unsettled}, 'failed'`,
    ),
    markPublished: update(
      `status = 'published', published_at = ${NOW}, available_at = NULL`,
      `${unsettled}, 'failed', 'cancelled'`,
    ),
    markFailed: update(`status = 'failed', ${cause}, available_at = ${blocking}`, unsettled),
    incrementRetry: update(
      `status = CASE WHEN ${exhausted} THEN 'failed' ELSE 'retry' END, retry_count = ${counted}, ${cause},
       scheduled_at = CASE WHEN ${exhausted} THEN scheduled_at ELSE ${due} END,
       available_at = CASE WHEN ${exhausted} THEN ${blocking} ELSE ${due} END`,
      unsettled,
    ),
    reschedule: update(`scheduled_at = ?, available_at = CASE WHEN ? > ${NOW} THEN ? END`, unsettled),
    delete: change(`DELETE FROM ${t.events}`, `${unsettled}, 'failed', 'cancelled', ?`),
  }
  // Makes missing lanes, as the other stores do, where a move locks them.
  const missing = `
    SELECT DISTINCT e.publisher_backend AS backend FROM ${t.events} AS e
    WHERE e.id IN (SELECT value FROM json_each(?)) AND e.publisher_backend <> ''
      AND NOT EXISTS (SELECT 1 FROM ${t.lanes} AS l WHERE l.backend = e.publisher_backend)`
  const make = makeLanes(t)
  const raise = raiseAttention(t)
  const lanes = { busy: busyLanes(t), lift: lift(t) }
  const comeIntoPlace = comeInto(t)
  const publishing = publish(t)

  const isDue = isStepDue(t)
  const advanceOn = advance(t)
  const keep = keepForUndo(t)
  const forget = forgetUndone(t)
  const idOf = (row: Row): string => fromSqlId(row['id'])
  return (
    db: Connection,
    given: readonly string[],
    wanted: AdminMove,
    holds: readonly Hold[],
    { where = [], step, entry }: MoveTerms = {},
  ): MoveReport => {
    if (step && !isDue(db, step)) return { moved: [], busy: [] }
    const copies = wanted.kind === 'copy' ? runOn(db, storeCopies(publishing, wanted.rows)) : NO_COPIES
    const ids = wanted.kind === 'copy' ? [...copies.there.keys()] : given
    make(
      db,
      db.all(missing, JSON.stringify(ids.map(toSqlId))).map((row) => String(row['backend'])),
    )
    const closed = lanes.busy(db, ids, holds)
    const conditions = allOf(t, where)
    // What this operation has marked was already replayed by it.
    const mark = wanted.kind === 'replay' || wanted.kind === 'copy' ? [step?.id ?? null] : []
    const which = [JSON.stringify(ids.map(toSqlId)), ...statusOf(wanted), ...mark, ...conditions.values]
    const found = db.all(`${sql[wanted.kind].find} AND ${conditions.sql}`, JSON.stringify(closed), ...which)
    const busy = found.filter((row) => Number(row['busy']) === 1).map(idOf)
    const passed = step && passable(ids, busy, step)
    const within = new Set(ids.slice(0, passed).map(toSqlId))
    const free = found.filter((row) => Number(row['busy']) !== 1 && within.has(String(row['id']))).map(({ id }) => id)
    const these = JSON.stringify(free)
    keep(db, wanted, these, entry)
    const rows = db.all(sql[wanted.kind].change, ...valuesOf(wanted, step?.id), these)
    forget(db, wanted, these)
    if (wanted.kind === 'correct') for (const { id } of rows) comeIntoPlace(db, String(id), wanted.row)
    raise(db, rows)
    lanes.lift(db, holdsBeside(closed, holds))
    const moved = [...copies.stored, ...rows.map(idOf).map((id) => copies.there.get(id) ?? id)]
    if (step === undefined || passed === undefined) return { moved, busy }
    advanceOn(db, step.id, step.owner, stepTaken(ids, passed, moved.length, step))
    return { moved, busy, passed }
  }
}

/** The status that a deletion may spare, or the entry that is undone. */
function statusOf(move: AdminMove): readonly SQLInputValue[] {
  if (move.kind === 'undo') return [move.entry]
  return move.kind === 'delete' ? [move.published ? 'published' : ''] : []
}

function valuesOf(move: AdminMove, operation: number | undefined): readonly SQLInputValue[] {
  switch (move.kind) {
    case 'replay':
    case 'copy':
      return [operation ?? null, operation ?? null, operation ?? null]
    case 'markFailed':
      return errorValues(move.error)
    case 'incrementRetry':
      return [...errorValues(move.error), move.delay / 1000, move.delay / 1000]
    case 'undo':
      return [move.entry]
    case 'reschedule':
      return [toSqlDate(move.at), toSqlDate(move.at), toSqlDate(move.at)]
    default:
      return []
  }
}
