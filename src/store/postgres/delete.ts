import { attend } from './attend.ts'
import type { Client } from './client.ts'
import type { Names } from './names.ts'

/** Deletes events by id, and tells the owners of their lanes: what waited behind them may go. */
export function deleteOperation(client: Client, names: Names) {
  const text = `
WITH changed AS (
  DELETE FROM ${names.events} AS e
  WHERE e.id = ANY ($1::uuid[])
  RETURNING e.id, e.publisher_backend, e.lane
), ${attend(names)}
SELECT (SELECT count(*) FROM changed) AS count, told.told FROM told`

  return async (ids: readonly string[]): Promise<number> => {
    const [row] = await client.query(text, [ids, names.events])
    return Number(row?.['count'] ?? 0)
  }
}
