import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { NOW, nowPlus } from './literals.ts'
import { sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'

/**
 * Extends a lease that has not ended. The row is locked first: `UTC_TIMESTAMP` is when its statement began, and one
 * that waited for the lock might extend a lease that ended meanwhile.
 */
export function renew(client: Client, t: Tables): CoordinationStore['renew'] {
  return (workerId, lease) =>
    runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        await tx.query(sql`SELECT id FROM ${t.workers} WHERE id = ${workerId} FOR UPDATE`)
        const extended = await tx.run(sql`
UPDATE ${t.workers} SET lease_until = ${nowPlus(lease)} WHERE id = ${workerId} AND lease_until > ${NOW}`)
        return extended === 1
      }),
    )
}
