import type { Client } from './client.ts'
import { raiseAttention } from './raise-attention.ts'
import type { Tables } from './tables.ts'
import { isUuid } from './uuid.ts'

/** Deletes events by id, and tells the owners of their lanes: what waited behind them may go. */
export function deleteEvents(client: Client, t: Tables) {
  const text = `
WITH changed AS (
  DELETE FROM ${t.events} AS e
  WHERE e.id = ANY ($1::uuid[])
  RETURNING e.id, e.publisher_backend, e.lane
), ${raiseAttention(t)}
SELECT (SELECT count(*) FROM changed) AS count, told.told FROM told`

  return async (ids: readonly string[]): Promise<number> => {
    const [row] = await client.query(text, [ids.filter(isUuid), t.events])
    return Number(row?.['count'] ?? 0)
  }
}
