import type { AdminStore } from '../admin-store.ts'
import { pageOfHeads } from '../blocked-heads.ts'
import { fromSqlId } from '../values.ts'
import type { Client } from './client.ts'
import { isNamed } from './fetch.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, STAGE } from './values.ts'

/**
 * In the order of the index of what is to be done, where those that block nothing stand apart: they are not read. An instant other than
 * the far future, which plain SQL may have put there, is left to the look.
 */
export function blockedHeads(client: Client, t: Tables): AdminStore['blockedHeads'] {
  return async ({ backend, after, limit }) => {
    const select = (range: Sql): Sql => sql`(
  SELECT e.id, e.lane, e.seq, e.partition_key, TIMESTAMPDIFF(MICROSECOND, e.updated_at, ${NOW}) AS since
  FROM ${t.events} AS e FORCE INDEX (${t.index.work})
  WHERE ${isNamed([backend])} AND e.stage = ${STAGE.failed} AND e.available_at = ${FAR_FUTURE_SQL} AND ${range}
    AND e.partition_key IS NOT NULL
  ORDER BY e.lane, e.seq LIMIT ${limit + 1})`
    const lanes = sql`e.lane > ${after?.lane ?? -1}`
    const parts =
      after === null
        ? select(lanes)
        : sql`${select(sql`e.lane = ${after.lane} AND e.seq > ${after.seq}`)} UNION ALL ${select(lanes)}`
    const rows = await client.query(sql`SELECT s.* FROM (${parts}) AS s ORDER BY s.lane, s.seq LIMIT ${limit + 1}`)
    const found = rows.map((row) => ({
      backend,
      partitionKey: String(row['partition_key']),
      heldBy: fromSqlId(row['id']),
      since: Math.max(0, Number(row['since'])) / 1_000,
      lane: Number(row['lane']),
      seq: Number(row['seq']),
    }))
    return pageOfHeads(found, limit, null)
  }
}
