import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { LANE, laneOf } from './lane.ts'
import { areLanes } from './lane-filter.ts'
import { NOW } from './literals.ts'
import { sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'

/**
 * Answers holds on lanes that are still ours, under a new fence; ends a hold whose time is over. It waits for an operator
 * who is just moving events there, so a lane that it returns without a hold shows what that one did.
 */
export function quiet(client: Client, t: Tables): CoordinationStore['quiet'] {
  return async (workerId, lanes) => {
    if (lanes.length === 0) return []
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        const rows = await tx.query(sql`
SELECT backend, lane, owner, fence FROM ${t.lanes} FORCE INDEX (PRIMARY)
WHERE ${areLanes(lanes)} ORDER BY backend, lane FOR UPDATE`)
        const ours = lanes.filter((lane) =>
          rows.some(
            (row) =>
              String(row['backend']) === lane.backend &&
              Number(row['lane']) === lane.lane &&
              Number(row['fence']) === lane.fence &&
              row['owner'] === workerId,
          ),
        )
        if (ours.length === 0) return []
        await tx.run(sql`
UPDATE ${t.lanes} SET quiet_for = hold, fence = fence + 1,
  hold_until = CASE WHEN hold_until > ${NOW} THEN hold_until END
WHERE ${areLanes(ours)}`)
        return (await tx.query(sql`SELECT ${LANE} FROM ${t.lanes} WHERE ${areLanes(ours)}`)).map(laneOf)
      }),
    )
  }
}
