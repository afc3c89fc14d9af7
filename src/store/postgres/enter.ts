import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * Adds a worker, and the lanes of its backends where they are not there yet. A transient one is listed with no backends.
 */
export function enter(client: Client, t: Tables): CoordinationStore['enter'] {
  const text = `
WITH lanes AS (
  INSERT INTO ${t.lanes} (backend, lane)
  SELECT b.backend, l.lane
  FROM unnest($2::text[]) AS b(backend)
  CROSS JOIN generate_series(0, (SELECT lanes FROM ${t.settings}) - 1) AS l(lane)
  ORDER BY 1, 2
  ON CONFLICT DO NOTHING
)
INSERT INTO ${t.workers} (name, backends, lease_until)
VALUES ($1, CASE WHEN $4::boolean THEN '{}' ELSE $2::text[] END, clock_timestamp() + $3::float8 * interval '1 millisecond')
RETURNING id`

  return async ({ name, backends, lease, transient = false }) => {
    const [row] = await client.query(text, [name, backends, lease, transient])
    return row?.['id'] ?? ''
  }
}
