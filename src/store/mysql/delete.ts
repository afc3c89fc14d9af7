import type { Client, Runs } from './client.ts'
import { lockLanes, PLACE, type Place, placeOf, placesOf, raiseAttention } from './raise-attention.ts'
import { slices } from './slices.ts'
import { sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { isUuid, toSqlId } from './uuid.ts'

/** Deletes events by id, and tells the owners of their lanes: what waited behind them may go. */
export function deleteEvents(client: Client, t: Tables) {
  return async (ids: readonly string[]): Promise<number> => {
    const wanted = [...new Set(ids.filter(isUuid).map(toSqlId))].sort()
    if (wanted.length === 0) return 0
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        await lockLanes(tx, t, await placesOf(tx, t, wanted))
        const places: Place[] = []
        for (const ids of slices(wanted)) {
          const rows = await tx.query(sql`
SELECT id, ${PLACE} FROM ${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${ids}) FOR UPDATE`)
          if (rows.length === 0) continue
          await deleteById(
            tx,
            t,
            rows.map((row) => String(row['id'])),
          )
          places.push(...rows.map(placeOf))
        }
        await raiseAttention(tx, t, places)
        return places.length
      }),
    )
  }
}

/**
 * Deletes rows by id, as they are stored; in the form of several tables, which alone can name the index. Every row has
 * a `seq`: without a column that the index has not, MySQL with the statistics of a small table reads all of it instead.
 */
export function deleteById(tx: Runs, t: Tables, ids: readonly string[]): Promise<number> {
  return tx.run(sql`DELETE e FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE e.id IN (${ids}) AND e.seq > 0`)
}
