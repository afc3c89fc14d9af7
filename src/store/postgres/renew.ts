import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * Extends a lease that has not ended. `clock_timestamp` and not the statement's time: should the statement have waited
 * for a row lock, the lease may have ended meanwhile.
 */
export function renew(client: Client, t: Tables): CoordinationStore['renew'] {
  const text = `
UPDATE ${t.workers}
SET lease_until = clock_timestamp() + $2::float8 * interval '1 millisecond'
WHERE id = $1::uuid AND lease_until > clock_timestamp()
RETURNING id`

  return async (workerId, lease) => (await client.query(text, [workerId, lease])).length === 1
}
