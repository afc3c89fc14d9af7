import type { Condition } from '../admin-store.ts'
import type { Client } from './client.ts'
import { allOf } from './condition.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Counts exactly: without a condition that an index serves, it reads the whole table. */
export function count(client: Client, t: Tables) {
  return async (where: readonly Condition[]): Promise<number> => {
    const [row] = await client.query(sql`SELECT COUNT(*) AS count FROM ${t.events} AS e WHERE ${allOf(t, where)}`)
    return Number(row?.['count'] ?? 0)
  }
}
