import type { Runs } from './client.ts'
import { join, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/** Makes the lanes of these backends where they are not there yet: in one order, so that two who do wait in no circle. */
export async function makeLanes(runs: Runs, t: Tables, backends: readonly string[]): Promise<void> {
  if (backends.length === 0) return
  const [settings] = await runs.query(sql`SELECT lanes FROM ${t.settings}`)
  const count = Number(settings?.['lanes'] ?? 0)
  // Looked for first: an insert of a lane that is there would lock it, and wait for whoever settles in it.
  const there = await runs.query(sql`
SELECT backend, COUNT(*) AS lanes FROM ${t.lanes} WHERE backend IN (${backends}) GROUP BY backend`)
  const made = new Map(there.map((row) => [String(row['backend']), Number(row['lanes'])]))
  const rows = backends
    .filter((backend) => made.get(backend) !== count)
    .toSorted()
    .flatMap((backend) => Array.from({ length: count }, (_, lane) => sql`(${backend}, ${lane})`))
  if (rows.length === 0) return
  await runs.run(sql`
INSERT INTO ${t.lanes} (backend, lane) VALUES ${join(rows, ', ')} ON DUPLICATE KEY UPDATE lane = VALUES(lane)`)
}
