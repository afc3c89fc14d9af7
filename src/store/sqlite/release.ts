import type { Lane } from '../coordination-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** Gives lanes back, if still ours under the fence that we took them with. */
export function release(t: Tables) {
  const sql = `UPDATE ${t.lanes} SET owner = NULL WHERE backend = ? AND lane = ? AND owner = ? AND fence = ?`
  return (db: Connection, workerId: string, lanes: readonly Lane[]): void => {
    for (const { backend, lane, fence } of lanes) db.run(sql, backend, lane, workerId, fence)
  }
}
