import { randomUUID } from 'node:crypto'
import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { NOW, nowPlus } from './literals.ts'
import { makeLanes } from './make-lanes.ts'
import { sql } from './sql.ts'
import type { Tables } from './tables.ts'

/**
 * Adds a worker, and the lanes of its backends where they are not there yet. A transient one is listed with no backends.
 */
export function enter(client: Client, t: Tables): CoordinationStore['enter'] {
  return async ({ name, backends, lease, transient = false }) => {
    await makeLanes(client, t, backends)
    const id = randomUUID()
    await client.run(sql`
INSERT INTO ${t.workers} (id, name, backends, entered_at, lease_until)
VALUES (${id}, ${name}, ${JSON.stringify(transient ? [] : backends)}, ${NOW}, ${nowPlus(lease)})`)
    return id
  }
}
