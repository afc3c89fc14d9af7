import type { Condition } from '../admin-store.ts'
import type { Client } from './client.ts'
import { compileConditions, Parameters } from './condition.ts'
import type { Names } from './names.ts'

/** Counts exactly: without a condition that an index serves, it reads the whole table. */
export function countOperation(client: Client, names: Names) {
  return async (where: readonly Condition[]): Promise<number> => {
    const parameters = new Parameters()
    const text = `SELECT count(*) AS count FROM ${names.events} AS e WHERE ${compileConditions(where, names, parameters)}`
    const [row] = await client.query(text, parameters.values)
    return Number(row?.['count'] ?? 0)
  }
}
