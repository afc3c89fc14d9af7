import { LONGEST_LEASE } from '../coordination-store.ts'
import type { DutyStore } from '../duty-store.ts'
import type { Database } from './database.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** Duties. A lease beyond the longest one was left behind by a clock that was set back. */
export function duties(database: Database, t: Tables): DutyStore {
  const takeSql = `
    INSERT INTO ${t.duties} (duty, holder, lease_until) VALUES (?, ?, ${nowPlus('?')})
    ON CONFLICT (duty) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
    WHERE holder = excluded.holder OR lease_until <= ${NOW} OR lease_until > ${nowPlus(String(LONGEST_LEASE / 1_000))}`
  const giveBackSql = `DELETE FROM ${t.duties} WHERE duty = ? AND holder = ?`
  return {
    take: (duty, holder, lease) => database.write((db) => db.run(takeSql, duty, holder, lease / 1_000) > 0),
    async giveBack(duty, holder) {
      await database.write((db) => db.run(giveBackSql, duty, holder))
    },
  }
}
