import type { Inspection } from '../inspection.ts'
import type { Client } from './client.ts'
import { NOW } from './literals.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Looks at what the outbox cannot mend by itself: indexes that are not ours, and the clock. */
export function inspect(client: Client, t: Tables): () => Promise<Inspection> {
  const ours: ReadonlySet<string> = new Set(['PRIMARY', ...Object.values(t.index).map(({ text }) => text.slice(1, -1))])
  return async () => {
    // CAST, since the client would read an instant in the time zone of this process.
    const [clock] = await client.query(sql`SELECT CAST(${NOW} AS CHAR) AS now`)
    const rows = await client.query(sql`SHOW INDEX FROM ${t.events}`)
    const columns = new Map<string, string[]>()
    for (const row of rows) {
      const name = String(row['Key_name'])
      if (ours.has(name)) continue
      // MySQL indexes expressions, too.
      columns.set(name, [...(columns.get(name) ?? []), String(row['Column_name'] ?? row['Expression'])])
    }
    return {
      now: new Date(`${String(clock?.['now']).slice(0, 23).replace(' ', 'T')}Z`),
      extraIndexes: [...columns]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, on]) => ({
          name,
          on: `(${on.join(', ')})`,
          drop: `DROP INDEX \`${name}\` ON ${t.events.text}`,
        })),
    }
  }
}
