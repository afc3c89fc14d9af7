import type { Client } from './client.ts'
import { lockLanes, PLACE, placeOf, raiseAttention } from './raise-attention.ts'
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
        const here = sql`${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${wanted})`
        await lockLanes(tx, t, (await tx.query(sql`SELECT ${PLACE} FROM ${here}`)).map(placeOf))
        const rows = await tx.query(sql`SELECT id, ${PLACE} FROM ${here} FOR UPDATE`)
        if (rows.length === 0) return 0
        await tx.run(sql`DELETE FROM ${t.events} WHERE id IN (${rows.map((row) => String(row['id']))})`)
        await raiseAttention(tx, t, rows.map(placeOf))
        return rows.length
      }),
    )
  }
}
