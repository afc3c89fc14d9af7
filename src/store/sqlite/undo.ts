import type { AdminMove } from '../admin-store.ts'
import { type AuditStore, UNDO_KEPT } from '../audit-store.ts'
import { fromSqlId, toSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus } from './values.ts'

const NEXT_GENERATION = 'CASE WHEN e.generation < 2147483647 THEN e.generation + 1 ELSE 0 END'

/** Keeps what these events are, before a move that can be undone. One that is moved twice goes back to where it was first. */
export function keepForUndo(t: Tables) {
  const sql = `
    INSERT INTO ${t.undo} (entry, event, generation, status, retry_count, scheduled_at, held)
    SELECT ?, e.id, ${NEXT_GENERATION}, e.status, e.retry_count, e.scheduled_at,
      e.status = 'failed' AND e.available_at IS NOT NULL
    FROM ${t.events} AS e WHERE e.id IN (SELECT value FROM json_each(?))
    ON CONFLICT (entry, event) DO UPDATE SET generation = excluded.generation`
  return (db: Connection, { kind }: AdminMove, ids: string, entry: number | undefined): void => {
    if (entry !== undefined && (kind === 'requeue' || kind === 'cancel')) db.run(sql, entry, ids)
  }
}

/**
 * The two statements of a move: which of the events nothing has become of since the move under an entry, and what goes back. One that
 * blocked its key blocks it again; one that was parked for another reason is read, and parked again if that still holds.
 */
export function undoMove(t: Tables, isBusy: string): { readonly find: string; readonly change: string } {
  return {
    find: `SELECT id, ${isBusy} AS busy FROM ${t.events} AS e
      WHERE id IN (SELECT value FROM json_each(?)) AND EXISTS (
        SELECT 1 FROM ${t.undo} AS u WHERE u.entry = ? AND u.event = e.id AND u.generation = e.generation)
      AND (e.status = 'cancelled' OR (e.status = 'pending' AND e.retry_count = 0))`,
    change: `UPDATE ${t.events} AS e SET status = u.status, retry_count = u.retry_count, scheduled_at = u.scheduled_at,
      available_at = CASE WHEN u.held THEN ${FAR_FUTURE_SQL}
        WHEN u.status IN ('pending', 'retry') AND u.scheduled_at > ${NOW} THEN u.scheduled_at END,
      updated_at = ${NOW}, generation = ${NEXT_GENERATION}
      FROM ${t.undo} AS u
      WHERE u.entry = ? AND u.event = e.id AND e.id IN (SELECT value FROM json_each(?))
      RETURNING id, lane, publisher_backend`,
  }
}

/** What is undone is not undone again. */
export function forgetUndone(t: Tables) {
  const sql = `DELETE FROM ${t.undo} WHERE entry = ? AND event IN (SELECT value FROM json_each(?))`
  return (db: Connection, move: AdminMove, ids: string): void => {
    if (move.kind === 'undo') db.run(sql, move.entry, ids)
  }
}

/** The events that can be undone, by id. */
export function movedUnder(database: Database, t: Tables): AuditStore['moved'] {
  const sql = `SELECT event FROM ${t.undo} WHERE entry = ? AND event > ? ORDER BY event LIMIT ?`
  return async (id, { after, limit }) => {
    const rows = await database.read((db) => db.all(sql, id, after === null ? '' : toSqlId(after), limit))
    return rows.map(({ event }) => fromSqlId(event))
  }
}

/** Forgets what was moved too long ago, or under entries that the audit has no more. */
export function forget(t: Tables): string {
  return `
    DELETE FROM ${t.undo} WHERE rowid IN (
      SELECT u.rowid FROM ${t.undo} AS u
      WHERE u.entry <= coalesce(
        (SELECT a.id FROM ${t.audit} AS a WHERE a.at <= ${nowPlus(String(-UNDO_KEPT / 1_000))} ORDER BY a.id DESC LIMIT 1),
        (SELECT min(a.id) - 1 FROM ${t.audit} AS a), 9223372036854775807)
      ORDER BY u.entry, u.event LIMIT ?)`
}
