import { LONGEST_LEASE } from '../coordination-store.ts'
import type { DutyStore } from '../duty-store.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/**
 * Duties: one conditional write of one row each. `clock_timestamp` and not the statement's time, which is that before a wait for the
 * row. A lease beyond the longest one was left behind by a clock that was set back.
 */
export function duties(client: Client, t: Tables): DutyStore {
  return {
    async take(duty, holder, lease) {
      const text = `
INSERT INTO ${t.duties} AS d (duty, holder, lease_until)
VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond')
ON CONFLICT (duty) DO UPDATE
SET holder = excluded.holder, lease_until = clock_timestamp() + $3::float8 * interval '1 millisecond'
WHERE d.holder = excluded.holder OR d.lease_until <= clock_timestamp()
  OR d.lease_until > clock_timestamp() + ${LONGEST_LEASE} * interval '1 millisecond'
RETURNING duty`
      return (await client.query(text, [duty, holder, lease])).length === 1
    },
    async giveBack(duty, holder) {
      await client.query(`DELETE FROM ${t.duties} WHERE duty = $1 AND holder = $2`, [duty, holder])
    },
  }
}
