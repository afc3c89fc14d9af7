import type { CoordinationStore, Lane } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { LANE, laneOf } from './lane.ts'
import { areLanes } from './lane-filter.ts'
import { NOW } from './literals.ts'
import { sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'

/**
 * Takes lanes whose fence is still the one seen: compare and set. The rows are locked in one order, so that two
 * workers that claim the same lanes do not wait for each other in a circle; the second then sees the new fence and
 * leaves the lane. A worker whose own lease has ended by then gets nothing.
 */
export function claim(client: Client, t: Tables): CoordinationStore['claim'] {
  return async (workerId, lanes) => {
    if (lanes.length === 0) return []
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        const rows = await tx.query(sql`
SELECT ${LANE} FROM ${t.lanes} FORCE INDEX (PRIMARY)
WHERE ${areLanes(lanes)} ORDER BY backend, lane FOR UPDATE`)
        const seen = new Map(lanes.map((lane) => [nameOf(lane), lane.fence]))
        const free = rows
          .map((row): Lane => ({ ...laneOf(row), owner: workerId }))
          .filter((lane) => seen.get(nameOf(lane)) === lane.fence)
        const alive = await tx.query(sql`
SELECT id FROM ${t.workers} WHERE id = ${workerId} AND lease_until > ${NOW} LOCK IN SHARE MODE`)
        if (free.length === 0 || alive.length === 0) return []
        await tx.run(sql`UPDATE ${t.lanes} SET owner = ${workerId}, fence = fence + 1 WHERE ${areLanes(free)}`)
        return free.map((lane) => ({ ...lane, fence: lane.fence + 1 }))
      }),
    )
  }
}

function nameOf({ backend, lane }: Lane): string {
  return `${lane} ${backend}`
}
