import type { Condition } from '../admin-store.ts'
import type { Client } from './client.ts'
import { compileConditions, Parameters } from './condition.ts'
import type { Tables } from './tables.ts'

/** Counts exactly: without a condition that an index serves, it reads the whole table. */
export function count(client: Client, t: Tables) {
  return async (where: readonly Condition[]): Promise<number> => {
    const parameters = new Parameters()
    const text = `SELECT count(*) AS count FROM ${t.events} AS e WHERE ${compileConditions(where, t, parameters)}`
    const [row] = await client.query(text, parameters.values)
    return Number(row?.['count'] ?? 0)
  }
}
