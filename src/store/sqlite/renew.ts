import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { NOW, nowPlus } from './values.ts'

/** Extends a lease that has not ended; false when it has. */
export function renew(t: Tables) {
  const sql = `UPDATE ${t.workers} SET lease_until = ${nowPlus('?')} WHERE id = ? AND lease_until > ${NOW}`
  return (db: Connection, workerId: string, lease: number): boolean => db.run(sql, lease / 1000, workerId) > 0
}
