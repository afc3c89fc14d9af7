import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { LANE, laneOf } from './lane.ts'
import type { Tables } from './tables.ts'

/**
 * Answers holds on lanes that are still ours, under a new fence; ends a hold whose time is over. It waits for an operator
 * who is just moving events there, so a lane that it returns without a hold shows what that one did.
 */
export function quiet(client: Client, t: Tables): CoordinationStore['quiet'] {
  const text = `
WITH ours AS (
  SELECT l.backend, l.lane, l.fence
  FROM ${t.lanes} AS l
  JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS s(backend, lane, fence)
    ON l.backend = s.backend AND l.lane = s.lane
  WHERE l.owner = $1::uuid AND l.fence = s.fence
  ORDER BY l.backend, l.lane
  FOR UPDATE OF l
)
UPDATE ${t.lanes} AS l
SET quiet_for = l.hold, fence = l.fence + 1,
  hold_until = CASE WHEN l.hold_until > clock_timestamp() THEN l.hold_until END
FROM ours
WHERE l.backend = ours.backend AND l.lane = ours.lane AND l.owner = $1::uuid AND l.fence = ours.fence
RETURNING ${LANE}`

  return async (workerId, lanes) => {
    if (lanes.length === 0) return []
    const rows = await client.query(text, [
      workerId,
      lanes.map(({ backend }) => backend),
      lanes.map(({ lane }) => lane),
      lanes.map(({ fence }) => fence),
    ])
    return rows.map(laneOf)
  }
}
