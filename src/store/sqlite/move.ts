import type { SQLInputValue } from 'node:sqlite'
import type { AdminMove, Hold, MoveReport } from '../admin-store.ts'
import type { Row } from '../statement.ts'
import type { Connection } from './connection.ts'
import { busyLanes, lift } from './hold.ts'
import { makeLanes } from './make-lanes.ts'
import { raiseAttention } from './raise-attention.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, fromSqlId, NOW, nowPlus, toSqlDate, toSqlId } from './values.ts'

/** Applies a move to events whose status, as it is in the table, allows it, where nobody can be sending them. */
export function move(t: Tables) {
  // What is parked is in nobody's hands.
  const isBusy = `status IN ('pending', 'retry', 'processing') AND (available_at IS NULL OR available_at <= ${NOW})
    AND EXISTS (
      SELECT 1 FROM json_each(?) AS b
      WHERE json_extract(b.value, '$.lane') = lane
        AND (json_extract(b.value, '$.backend') = publisher_backend OR publisher_backend = ''))`
  const where = (statuses: string) => `
    WHERE id IN (SELECT value FROM json_each(?)) AND status IN (${statuses})`
  const change = (what: string, statuses: string) => ({
    change: `${what}${where(statuses)} AND NOT (${isBusy}) RETURNING id, lane, publisher_backend`,
    busy: `SELECT id FROM ${t.events}${where(statuses)} AND ${isBusy}`,
  })
  const update = (set: string, statuses: string) =>
    change(`UPDATE ${t.events} SET ${set}, updated_at = ${NOW}, generation = generation + 1`, statuses)
  const unsettled = "'pending', 'retry', 'processing'"
  const again = `status = 'pending', retry_count = 0, published_at = NULL, scheduled_at = ${NOW}, available_at = NULL`
  // A failed event blocks its key, if it has one, until somebody releases it.
  const blocking = `CASE WHEN partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`
  const exhausted = 'retry_count + 1 >= max_retries'
  const due = nowPlus('?')
  const sql: Readonly<Record<AdminMove['kind'], ReturnType<typeof change>>> = {
    requeue: update(again, "'failed', 'cancelled', 'retry'"),
    replay: update(again, "'published'"),
    skip: update('available_at = NULL', "'failed'"),
    cancel: update("status = 'cancelled', available_at = NULL", `${unsettled}, 'failed'`),
    markPublished: update(
      `status = 'published', published_at = ${NOW}, available_at = NULL`,
      `${unsettled}, 'failed', 'cancelled'`,
    ),
    markFailed: update(`status = 'failed', last_error = ?, available_at = ${blocking}`, unsettled),
    incrementRetry: update(
      `status = CASE WHEN ${exhausted} THEN 'failed' ELSE 'retry' END, retry_count = retry_count + 1, last_error = ?,
       scheduled_at = CASE WHEN ${exhausted} THEN scheduled_at ELSE ${due} END,
       available_at = CASE WHEN ${exhausted} THEN ${blocking} ELSE ${due} END`,
      unsettled,
    ),
    reschedule: update(`scheduled_at = ?, available_at = CASE WHEN ? > ${NOW} THEN ? END`, unsettled),
    delete: change(`DELETE FROM ${t.events}`, `${unsettled}, 'failed', 'cancelled', ?`),
  }
  // As on the other stores, where a move locks them.
  const missing = `
    SELECT DISTINCT e.publisher_backend AS backend FROM ${t.events} AS e
    WHERE e.id IN (SELECT value FROM json_each(?)) AND e.publisher_backend <> ''
      AND NOT EXISTS (SELECT 1 FROM ${t.lanes} AS l WHERE l.backend = e.publisher_backend)`
  const make = makeLanes(t)
  const raise = raiseAttention(t)
  const lanes = { busy: busyLanes(t), lift: lift(t) }

  return (db: Connection, ids: readonly string[], wanted: AdminMove, holds: readonly Hold[]): MoveReport => {
    make(
      db,
      db.all(missing, JSON.stringify(ids.map(toSqlId))).map((row) => String(row['backend'])),
    )
    const closed = lanes.busy(db, ids, holds)
    const which = [JSON.stringify(ids.map(toSqlId)), ...statusOf(wanted), JSON.stringify(closed)]
    const busy = closed.length === 0 ? [] : db.all(sql[wanted.kind].busy, ...which)
    const rows = db.all(sql[wanted.kind].change, ...valuesOf(wanted), ...which)
    raise(db, rows)
    lanes.lift(
      db,
      holds.filter((each) => !closed.some(({ backend, lane }) => backend === each.backend && lane === each.lane)),
    )
    const idOf = (row: Row): string => fromSqlId(String(row['id']))
    return { moved: rows.map(idOf), busy: busy.map(idOf) }
  }
}

/** The status that a deletion may spare. */
function statusOf(move: AdminMove): readonly SQLInputValue[] {
  return move.kind === 'delete' ? [move.published ? 'published' : ''] : []
}

function valuesOf(move: AdminMove): readonly SQLInputValue[] {
  switch (move.kind) {
    case 'markFailed':
      return [move.error]
    case 'incrementRetry':
      return [move.error, move.delay / 1000, move.delay / 1000]
    case 'reschedule':
      return [toSqlDate(move.at), toSqlDate(move.at), toSqlDate(move.at)]
    default:
      return []
  }
}
