import type { CoordinationStore } from '../coordination-store.ts'
import type { Client } from './client.ts'
import { areLanes } from './lane-filter.ts'
import { sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'

/** Gives all lanes of a worker back and removes it: a clean end. */
export function leave(client: Client, t: Tables): CoordinationStore['leave'] {
  return (workerId) =>
    runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        // Found without a lock: a search by owner would lock every lane that it looks at.
        const rows = await tx.query(sql`SELECT backend, lane FROM ${t.lanes} WHERE owner = ${workerId}`)
        const ours = rows.map((row) => ({ backend: String(row['backend']), lane: Number(row['lane']) }))
        if (ours.length > 0) {
          await tx.run(sql`
UPDATE ${t.lanes} SET owner = NULL WHERE ${areLanes(ours)} AND owner = ${workerId} ORDER BY backend, lane`)
        }
        await tx.run(sql`DELETE FROM ${t.workers} WHERE id = ${workerId}`)
      }),
    )
}
