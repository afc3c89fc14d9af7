import { randomUUID } from 'node:crypto'
import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { NOW, nowPlus } from './literals.ts'
import { join, sql } from './sql.ts'
import type { Tables } from './tables.ts'

/**
 * Adds a worker, and the lanes of its backends where they are not there yet. A transient one is listed with no backends.
 */
export function enter(client: Client, t: Tables): CoordinationStore['enter'] {
  const makeLanes = async (backends: readonly string[]): Promise<void> => {
    if (backends.length === 0) return
    const [settings] = await client.query(sql`SELECT lanes FROM ${t.settings}`)
    const count = Number(settings?.['lanes'] ?? 0)
    // Looked for first: an insert of a lane that is there would lock it, and wait for whoever settles in it.
    const there = await client.query(sql`
SELECT backend, COUNT(*) AS lanes FROM ${t.lanes} WHERE backend IN (${backends}) GROUP BY backend`)
    const made = new Map(there.map((row) => [String(row['backend']), Number(row['lanes'])]))
    const rows = backends
      .filter((backend) => made.get(backend) !== count)
      .flatMap((backend) => Array.from({ length: count }, (_, lane) => sql`(${backend}, ${lane})`))
    if (rows.length === 0) return
    await client.run(sql`
INSERT INTO ${t.lanes} (backend, lane) VALUES ${join(rows, ', ')} ON DUPLICATE KEY UPDATE lane = VALUES(lane)`)
  }

  return async ({ name, backends, lease, transient = false }) => {
    await makeLanes(backends)
    const id = randomUUID()
    await client.run(sql`
INSERT INTO ${t.workers} (id, name, backends, entered_at, lease_until)
VALUES (${id}, ${name}, ${JSON.stringify(transient ? [] : backends)}, ${NOW}, ${nowPlus(lease)})`)
    return id
  }
}
