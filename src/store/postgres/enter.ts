import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import type { Names } from './names.ts'

/** Adds a worker, and the lanes of its backends where they are not there yet. */
export function enterOperation(client: Client, names: Names): CoordinationStore['enter'] {
  const text = `
WITH lanes AS (
  INSERT INTO ${names.lanes} (backend, lane)
  SELECT b.backend, l.lane
  FROM unnest($2::text[]) AS b(backend)
  CROSS JOIN generate_series(0, (SELECT lanes FROM ${names.settings}) - 1) AS l(lane)
  ON CONFLICT DO NOTHING
)
INSERT INTO ${names.workers} (name, backends, lease_until)
VALUES ($1, $2::text[], clock_timestamp() + $3::float8 * interval '1 millisecond')
RETURNING id`

  return async ({ name, backends, lease }) => {
    const [row] = await client.query(text, [name, backends, lease])
    return row?.['id'] ?? ''
  }
}
