import type { AdminMove } from '../admin-store.ts'
import { type AuditStore, UNDO_KEPT } from '../audit-store.ts'
import { fromSqlId, toSqlId } from '../values.ts'
import type { Client, RawRow, Runs } from './client.ts'
import { join, type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus, slices } from './values.ts'

/** It only has to differ from the one before; plain SQL may have put it where nothing can be added to it. */
const NEXT_GENERATION = sql`CASE WHEN e.generation < 2147483647 THEN e.generation + 1 ELSE 0 END`

/** What a move selects of each event besides, so that it can be undone, or tell whether it can be. */
export const BEFORE = sql`${NEXT_GENERATION} AS next_generation, e.generation, e.status, e.retry_count,
  CAST(e.scheduled_at AS CHAR) AS scheduled_at, e.status = 'failed' AND e.available_at IS NOT NULL AS held`

/** Keeps what these rows are, before a move that can be undone. One that is moved twice goes back to where it was first. */
export async function keepForUndo(
  tx: Runs,
  t: Tables,
  { kind }: AdminMove,
  rows: readonly RawRow[],
  entry: number | undefined,
): Promise<void> {
  if (entry === undefined || (kind !== 'requeue' && kind !== 'cancel')) return
  const values = rows.map((row): Sql => {
    const id = toSqlId(fromSqlId(row['id']))
    const scheduled = sql`CAST(${String(row['scheduled_at'])} AS DATETIME(6))`
    return sql`(${entry}, ${id}, ${Number(row['next_generation'])}, ${String(row['status'])}, ${Number(row['retry_count'])},
  ${scheduled}, ${Number(row['held'])})`
  })
  await tx.run(sql`
INSERT INTO ${t.undo} (entry, event, generation, status, retry_count, scheduled_at, held) VALUES ${join(values, ', ')}
ON DUPLICATE KEY UPDATE generation = VALUES(generation)`)
}

/** Those of these locked rows of which nothing has become since the move under an entry, each with what it was. */
export async function undoableOf(
  tx: Runs,
  t: Tables,
  entry: number,
  rows: readonly RawRow[],
): Promise<ReadonlyMap<RawRow, RawRow>> {
  if (rows.length === 0) return new Map()
  const idOf = (row: RawRow): string => toSqlId(fromSqlId(row['id']))
  const kept = await tx.query(sql`
SELECT event, generation, status, retry_count, CAST(scheduled_at AS CHAR) AS scheduled_at, held
FROM ${t.undo} WHERE entry = ${entry} AND event IN (${rows.map(idOf)})`)
  const byEvent = new Map(kept.map((row) => [String(row['event']), row]))
  const found = rows.flatMap((row) => {
    const before = byEvent.get(idOf(row))
    const isSame = before !== undefined && Number(before['generation']) === Number(row['generation'])
    return isSame ? [[row, before] as const] : []
  })
  return new Map(found)
}

/** Nothing has become of an event that a requeue or a cancel has left like this. */
export const UNTOUCHED = sql`(status = 'cancelled' OR (status = 'pending' AND retry_count = 0))`

/**
 * These events go back to what they were, one by one: a column of MariaDB's type uuid does not join. One that blocked its key blocks it
 * again; one that was parked for another reason is read, and parked again if that still holds.
 */
export async function undo(
  tx: Runs,
  t: Tables,
  entry: number,
  rows: readonly (readonly [id: string, before: RawRow])[],
): Promise<void> {
  for (const [id, before] of rows) {
    const status = String(before['status'])
    const at = sql`CAST(${String(before['scheduled_at'])} AS DATETIME(6))`
    const parked = status === 'pending' || status === 'retry' ? sql`CASE WHEN ${at} > ${NOW} THEN ${at} END` : sql`NULL`
    await tx.run(sql`
UPDATE ${t.events} AS e FORCE INDEX (PRIMARY) SET e.status = ${status}, e.retry_count = ${Number(before['retry_count'])},
  e.scheduled_at = ${at}, e.available_at = ${Number(before['held']) === 1 ? FAR_FUTURE_SQL : parked}, e.updated_at = ${NOW},
  e.generation = ${NEXT_GENERATION} WHERE e.id = ${id}`)
  }
  const events = rows.map(([, before]) => String(before['event']))
  for (const some of slices(events))
    await tx.run(sql`DELETE FROM ${t.undo} WHERE entry = ${entry} AND event IN (${some})`)
}

/** The events that can be undone, by id. */
export function movedUnder(client: Client, t: Tables): AuditStore['moved'] {
  return async (id, { after, limit }) => {
    const rows = await client.query(sql`
SELECT event FROM ${t.undo} WHERE entry = ${id} AND event > ${after === null ? '' : toSqlId(after)}
ORDER BY event LIMIT ${limit}`)
    return rows.map((row) => fromSqlId(row['event']))
  }
}

/** Forgets what was moved too long ago, or under entries that the audit has no more. */
export function forget(t: Tables, limit: number): Sql {
  return sql`
DELETE FROM ${t.undo} WHERE entry <= COALESCE(
  (SELECT a.id FROM ${t.audit} AS a WHERE a.at <= ${nowPlus(-UNDO_KEPT)} ORDER BY a.id DESC LIMIT 1),
  (SELECT MIN(b.id) - 1 FROM ${t.audit} AS b), 9223372036854775807)
ORDER BY entry, event LIMIT ${limit}`
}
