import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** Gives all lanes of a worker back and removes it. */
export function leave(t: Tables) {
  const lanesSql = `UPDATE ${t.lanes} SET owner = NULL WHERE owner = ?`
  const workerSql = `DELETE FROM ${t.workers} WHERE id = ?`
  return (db: Connection, workerId: string): void => {
    db.run(lanesSql, workerId)
    db.run(workerSql, workerId)
  }
}
