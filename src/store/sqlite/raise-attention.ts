import type { Row } from '../statement.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/**
 * The owners of these rows' lanes shall reconcile and sweep. An event without a backend name belongs to whoever is the
 * default, which the database does not know: that lane of every backend gets attention.
 */
export function raiseAttention(t: Tables) {
  const sql = `
    UPDATE ${t.lanes} AS l SET attention = attention + 1
    WHERE EXISTS (
      SELECT 1 FROM json_each(?)
      WHERE json_extract(value, '$[1]') = l.lane AND json_extract(value, '$[0]') IN (l.backend, ''))`
  return (db: Connection, rows: readonly Row[]): void => {
    const lanes = new Set(rows.map((row) => JSON.stringify([row['publisher_backend'], row['lane']])))
    if (lanes.size > 0) db.run(sql, `[${[...lanes].join(',')}]`)
  }
}
