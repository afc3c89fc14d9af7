import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/** Gives lanes back, where the fence is still ours, and tells the others. */
export function release(client: Client, t: Tables): CoordinationStore['release'] {
  const text = `
WITH ours AS (
  SELECT l.backend, l.lane, l.fence
  FROM ${t.lanes} AS l
  JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS s(backend, lane, fence)
    ON l.backend = s.backend AND l.lane = s.lane
  WHERE l.owner = $1::uuid AND l.fence = s.fence
  ORDER BY l.backend, l.lane
  FOR UPDATE OF l
), released AS (
  UPDATE ${t.lanes} AS l
  SET owner = NULL
  FROM ours
  WHERE l.backend = ours.backend AND l.lane = ours.lane AND l.owner = $1::uuid AND l.fence = ours.fence
  RETURNING l.lane
)
SELECT pg_notify('broadcaster_' || $5::regclass::oid, '') WHERE EXISTS (SELECT FROM released)`

  return async (workerId, lanes) => {
    if (lanes.length === 0) return
    await client.query(text, [
      workerId,
      lanes.map(({ backend }) => backend),
      lanes.map(({ lane }) => lane),
      lanes.map(({ fence }) => fence),
      t.events,
    ])
  }
}
