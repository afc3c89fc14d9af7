import type { Runs } from './client.ts'
import { areLanes } from './lane-filter.ts'
import { slices } from './slices.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Where an event belongs. */
export interface Place {
  readonly publisherBackend: string
  readonly lane: number
}

/**
 * The lanes that events stand in. One without a backend's name is answered by the default one, which the store does
 * not know: then that lane of every backend. Read without a lock, so that what is locked is found by primary key.
 */
export async function lanesOf(tx: Runs, t: Tables, places: readonly Place[]) {
  if (places.length === 0) return []
  const rows = await tx.query(sql`
SELECT backend, lane FROM ${t.lanes} WHERE lane IN (${[...new Set(places.map(({ lane }) => lane))]})`)
  return rows
    .map((row) => ({ backend: String(row['backend']), lane: Number(row['lane']) }))
    .filter((row) =>
      places.some(
        ({ lane, publisherBackend }) =>
          lane === row.lane && (publisherBackend === row.backend || publisherBackend === ''),
      ),
    )
}

/**
 * Locks the lanes of events that are about to be changed, before the events: a settle does it in that order, too. By the
 * index, and with a column that it has not: a search that passes other lanes waits for who holds them.
 */
export async function lockLanes(tx: Runs, t: Tables, places: readonly Place[]): Promise<void> {
  const lanes = await lanesOf(tx, t, places)
  if (lanes.length === 0) return
  await tx.query(sql`
SELECT lane, fence FROM ${t.lanes} FORCE INDEX (PRIMARY) WHERE ${areLanes(lanes)} ORDER BY backend, lane FOR UPDATE`)
}

/** The owners of these events' lanes shall reconcile and sweep. */
export async function raiseAttention(tx: Runs, t: Tables, places: readonly Place[]): Promise<void> {
  const lanes = await lanesOf(tx, t, places)
  if (lanes.length > 0) await tx.run(sql`UPDATE ${t.lanes} SET attention = attention + 1 WHERE ${areLanes(lanes)}`)
}

/** Reads (publisher_backend, lane). */
export function placeOf(row: Readonly<Record<string, unknown>>): Place {
  return { publisherBackend: String(row['publisher_backend']), lane: Number(row['lane']) }
}

/** Its columns. */
export const PLACE: Sql = sql`publisher_backend, lane`

/** Where the events with these ids stand, as stored, without a lock; `which`: only such. */
export async function placesOf(
  tx: Runs,
  t: Tables,
  ids: readonly string[],
  which: Sql = sql`TRUE`,
): Promise<readonly Place[]> {
  const places: Place[] = []
  for (const some of slices(ids)) {
    const rows = await tx.query(
      sql`SELECT ${PLACE} FROM ${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${some}) AND ${which}`,
    )
    places.push(...rows.map(placeOf))
  }
  return places
}
