import { laneKey } from '../coordination-rows.ts'
import type { Runs } from './client.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { slices } from './values.ts'

/** Where an event belongs. */
export interface Place {
  readonly publisherBackend: string
  readonly lane: number
}

/**
 * The lanes of the events. An event without a backend name belongs to the default backend, which the store does not
 * know: for it, that lane of every backend. Read without a lock, so that what is locked afterwards is found by primary
 * key.
 */
export async function lanesOf(tx: Runs, t: Tables, places: readonly Place[]) {
  if (places.length === 0) return []
  const rows = await tx.query(sql`
SELECT backend, lane FROM ${t.lanes} WHERE lane IN (${[...new Set(places.map(({ lane }) => lane))]})`)
  return rows
    .map(laneKey)
    .filter((row) =>
      places.some(
        ({ lane, publisherBackend }) =>
          lane === row.lane && (publisherBackend === row.backend || publisherBackend === ''),
      ),
    )
}

/** Reads (publisher_backend, lane). */
export function placeOf(row: Readonly<Record<string, unknown>>): Place {
  return { publisherBackend: String(row['publisher_backend']), lane: Number(row['lane']) }
}

/** The columns that `placeOf` reads. */
export const PLACE: Sql = sql`publisher_backend, lane`

/** The places of the events with these ids, read without a lock; `which`: a further condition. */
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
