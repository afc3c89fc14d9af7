import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { join, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Gives lanes back, where the fence is still ours. In one order, as everybody locks them. */
export function release(client: Client, t: Tables): CoordinationStore['release'] {
  return async (workerId, lanes) => {
    if (lanes.length === 0) return
    const held = lanes.map(
      ({ backend, lane, fence }) => sql`(backend = ${backend} AND lane = ${lane} AND fence = ${fence})`,
    )
    await client.run(sql`
UPDATE ${t.lanes} SET owner = NULL WHERE owner = ${workerId} AND (${join(held, ' OR ')}) ORDER BY backend, lane`)
  }
}
