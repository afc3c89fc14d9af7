import { LONGEST_LEASE } from '../coordination-store.ts'
import type { DutyStore } from '../duty-store.ts'
import type { Client } from './client.ts'
import { sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/**
 * Duties. The row is locked before the clock is read: `UTC_TIMESTAMP` is the time when a statement began, and one that waited for the
 * row would give a lease that began before. A lease beyond the longest one was left behind by a clock that was set back.
 */
export function duties(client: Client, t: Tables): DutyStore {
  return {
    take: (duty, holder, lease) =>
      runAgainOnConflict(async () => {
        await client.run(sql`
INSERT INTO ${t.duties} (duty, holder, lease_until) VALUES (${duty}, '', ${NOW}) ON DUPLICATE KEY UPDATE duty = VALUES(duty)`)
        return client.transaction(async (tx) => {
          await tx.query(sql`SELECT duty FROM ${t.duties} WHERE duty = ${duty} FOR UPDATE`)
          const taken = await tx.run(sql`
UPDATE ${t.duties} SET holder = ${holder}, lease_until = ${nowPlus(lease)} WHERE duty = ${duty}
  AND (holder = ${holder} OR holder = '' OR lease_until <= ${NOW} OR lease_until > ${nowPlus(LONGEST_LEASE)})`)
          return taken === 1
        })
      }),
    async giveBack(duty, holder) {
      await client.run(sql`DELETE FROM ${t.duties} WHERE duty = ${duty} AND holder = ${holder}`)
    },
  }
}
