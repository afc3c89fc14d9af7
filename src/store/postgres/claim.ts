import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { LANE, laneOf } from './lane.ts'
import type { Tables } from './tables.ts'

/**
 * Takes lanes whose fence is still the one seen: compare and set. The rows are locked in one order, so that two
 * workers that claim the same lanes do not wait for each other in a circle; the second then sees the new fence and
 * leaves the lane. A worker whose own lease has ended gets nothing.
 */
export function claim(client: Client, t: Tables): CoordinationStore['claim'] {
  const text = `
WITH seen AS (
  SELECT l.backend, l.lane, l.fence
  FROM ${t.lanes} AS l
  JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS s(backend, lane, fence)
    ON l.backend = s.backend AND l.lane = s.lane
  WHERE l.fence = s.fence
    AND EXISTS (SELECT FROM ${t.workers} AS w WHERE w.id = $1::uuid AND w.lease_until > clock_timestamp())
  ORDER BY l.backend, l.lane
  FOR UPDATE OF l
)
UPDATE ${t.lanes} AS l
SET owner = $1::uuid, fence = l.fence + 1
FROM seen
WHERE l.backend = seen.backend AND l.lane = seen.lane AND l.fence = seen.fence
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
