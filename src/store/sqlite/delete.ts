import type { Connection } from './connection.ts'
import { raiseAttention } from './raise-attention.ts'
import type { Tables } from './tables.ts'
import { toSqlId } from './values.ts'

/** Deletes events by id; a key that one of them blocked is released by the lane's owner. */
export function deleteEvents(t: Tables) {
  const sql = `
    DELETE FROM ${t.events} WHERE id IN (SELECT value FROM json_each(?)) RETURNING lane, publisher_backend`
  const raise = raiseAttention(t)
  return (db: Connection, ids: readonly string[]): number => {
    const rows = db.all(sql, JSON.stringify(ids.map(toSqlId)))
    raise(db, rows)
    return rows.length
  }
}
