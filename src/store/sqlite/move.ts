import type { SQLInputValue } from 'node:sqlite'
import type { AdminMove } from '../admin-store.ts'
import type { Connection } from './connection.ts'
import { raiseAttention } from './raise-attention.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, fromSqlId, NOW, nowPlus, toSqlDate, toSqlId } from './values.ts'

/** Applies a move to events whose status, as it is in the table, allows it. */
export function move(t: Tables) {
  const update = (set: string, statuses: string) => `
    UPDATE ${t.events} SET ${set}, updated_at = ${NOW}, generation = generation + 1
    WHERE id IN (SELECT value FROM json_each(?)) AND status IN (${statuses})
    RETURNING id, lane, publisher_backend`
  const unsettled = "'pending', 'retry', 'processing'"
  const again = `status = 'pending', retry_count = 0, published_at = NULL, scheduled_at = ${NOW}, available_at = NULL`
  // A failed event blocks its key, if it has one, until somebody releases it.
  const blocking = `CASE WHEN partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`
  const exhausted = 'retry_count + 1 >= max_retries'
  const due = nowPlus('?')
  const sql: Readonly<Record<AdminMove['kind'], string>> = {
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
  }
  const raise = raiseAttention(t)

  return (db: Connection, ids: readonly string[], wanted: AdminMove): readonly string[] => {
    const rows = db.all(sql[wanted.kind], ...valuesOf(wanted), JSON.stringify(ids.map(toSqlId)))
    raise(db, rows)
    return rows.map((row) => fromSqlId(String(row['id'])))
  }
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
