import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/** Gives all lanes of a worker back, removes it and tells the others: a clean end. */
export function leave(client: Client, t: Tables): CoordinationStore['leave'] {
  const text = `
WITH ours AS (
  SELECT l.backend, l.lane
  FROM ${t.lanes} AS l
  WHERE l.owner = $1::uuid
  ORDER BY l.backend, l.lane
  FOR UPDATE OF l
), released AS (
  UPDATE ${t.lanes} AS l
  SET owner = NULL
  FROM ours
  WHERE l.backend = ours.backend AND l.lane = ours.lane AND l.owner = $1::uuid
  RETURNING l.lane
), gone AS (
  DELETE FROM ${t.workers} WHERE id = $1::uuid RETURNING id
)
SELECT pg_notify('broadcaster_' || $2::regclass::oid, '')
WHERE EXISTS (SELECT FROM released) OR EXISTS (SELECT FROM gone)`

  return async (workerId) => {
    await client.query(text, [workerId, t.events])
  }
}
