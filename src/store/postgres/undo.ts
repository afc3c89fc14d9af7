import type { AdminMove } from '../admin-store.ts'
import { type AuditStore, UNDO_KEPT } from '../audit-store.ts'
import type { Client, Queries } from './client.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL } from './values.ts'

/** Keeps what these events are, before a move that can be undone. One that is moved twice goes back to where it was first. */
export function keepForUndo(t: Tables, nextGeneration: string) {
  const text = `
INSERT INTO ${t.undo} (entry, event, generation, status, retry_count, scheduled_at, held)
SELECT $2::bigint, e.id, ${nextGeneration}, e.status, e.retry_count, e.scheduled_at,
  e.status = 'failed' AND e.available_at IS NOT NULL
FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[])
ON CONFLICT (entry, event) DO UPDATE SET generation = EXCLUDED.generation`
  return async (on: Queries, move: AdminMove, ids: readonly string[], entry: number | undefined): Promise<void> => {
    if (entry === undefined || (move.kind !== 'requeue' && move.kind !== 'cancel')) return
    await on.query(text, [ids, entry])
  }
}

/** Nothing has become of `e` since the move under an entry. */
export function isUndoable(t: Tables, entry: string): string {
  return `(e.status = 'cancelled' OR (e.status = 'pending' AND e.retry_count = 0)) AND EXISTS (
    SELECT FROM ${t.undo} AS u WHERE u.entry = ${entry}::bigint AND u.event = e.id AND u.generation = e.generation)`
}

/**
 * Parts `changed` and `forgotten` of a statement: events `$1` go back to what they were before the move under entry `$3`. One that
 * blocked its key blocks it again; one that was parked for another reason is read, and parked again if that still holds.
 */
export function undone(t: Tables, nextGeneration: string): string {
  return `changed AS (
  UPDATE ${t.events} AS e SET status = u.status, retry_count = u.retry_count, scheduled_at = u.scheduled_at,
    available_at = CASE WHEN u.held THEN ${FAR_FUTURE_SQL}
      WHEN u.status IN ('pending', 'retry') AND u.scheduled_at > statement_timestamp() THEN u.scheduled_at END,
    updated_at = statement_timestamp(), generation = ${nextGeneration}
  FROM ${t.undo} AS u
  WHERE u.entry = $3::bigint AND u.event = e.id AND e.id = ANY ($1::uuid[])
  RETURNING e.id, e.publisher_backend, e.lane
), forgotten AS (
  DELETE FROM ${t.undo} AS u WHERE u.entry = $3::bigint AND u.event = ANY ($1::uuid[])
)`
}

/** The events that can be undone, by id. */
export function movedUnder(client: Client, t: Tables): AuditStore['moved'] {
  const text = `
SELECT u.event FROM ${t.undo} AS u
WHERE u.entry = $1::bigint AND ($2::uuid IS NULL OR u.event > $2::uuid) ORDER BY u.event LIMIT $3::bigint`
  return async (id, { after, limit }) =>
    (await client.query(text, [id, after, limit])).flatMap(({ event }) => event ?? [])
}

/** Forgets what was moved too long ago, or under entries that the audit has no more. */
export function forget(t: Tables): string {
  return `
DELETE FROM ${t.undo} WHERE (entry, event) IN (
  SELECT u.entry, u.event FROM ${t.undo} AS u
  WHERE u.entry <= coalesce(
    (SELECT a.id FROM ${t.audit} AS a WHERE a.at <= statement_timestamp() - ${UNDO_KEPT} * interval '1 millisecond'
      ORDER BY a.id DESC LIMIT 1),
    (SELECT min(a.id) - 1 FROM ${t.audit} AS a), 9223372036854775807)
  ORDER BY u.entry, u.event LIMIT $1::bigint)`
}
