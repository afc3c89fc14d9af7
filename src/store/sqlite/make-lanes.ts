import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** Makes the lanes of these backends where they are not there yet. */
export function makeLanes(t: Tables) {
  const text = `
    WITH RECURSIVE n(lane) AS (
      SELECT 0 UNION ALL SELECT lane + 1 FROM n WHERE lane + 1 < (SELECT lanes FROM ${t.settings})
    )
    INSERT INTO ${t.lanes} (backend, lane)
    SELECT b.value, n.lane FROM json_each(?) AS b, n WHERE true
    ON CONFLICT DO NOTHING`
  return (db: Connection, backends: readonly string[]): void => {
    db.run(text, JSON.stringify(backends))
  }
}
