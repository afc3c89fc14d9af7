import type { Inspection } from '../inspection.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { fromSqlDate, NOW } from './values.ts'

/** Looks at what the outbox cannot mend by itself: indexes that are not ours, and the clock. */
export function inspect(t: Tables) {
  const indexesSql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
  const ours: ReadonlySet<string> = new Set(Object.values(t.index))
  return (db: Connection): Inspection => ({
    now: fromSqlDate(String(db.get(`SELECT ${NOW} AS now`)?.['now'])),
    extraIndexes: db.all(indexesSql, t.events.slice(1, -1)).flatMap((row) => {
      const name = `"${String(row['name'])}"`
      if (ours.has(name)) return []
      return [{ name: name.slice(1, -1), on: onOf(String(row['sql'])), drop: `DROP INDEX ${name}` }]
    }),
  })
}

/** `("status", "scheduled_at")` of a definition. */
function onOf(sql: string): string {
  return /\bON\s+\S+\s*(\(.*)$/is.exec(sql)?.[1] ?? sql
}
