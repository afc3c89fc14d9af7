import type { InboxStore } from '../inbox-store.ts'
import type { Client } from './client.ts'
import { nowPlus } from './literals.ts'
import { slices } from './slices.ts'
import { join, type SqlValue, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'

/**
 * What each consumer has handled. An entry that is there is not left out but counted up: that is a change, so this
 * transaction sees the entry even where its snapshot is older (REPEATABLE READ), and a count of 0 says that it is new.
 */
export function inbox(client: Client, t: Tables): InboxStore {
  // Waits for another transaction that has entered the same and not ended yet: that is what the unique index does.
  const enterStrings = [
    `INSERT INTO ${t.inbox.text} (consumer, source, event_id) VALUES (`,
    ', ',
    ', ',
    ') ON DUPLICATE KEY UPDATE repeats = repeats + 1 /*M! RETURNING repeats */',
  ]
  const where = [' WHERE consumer = ', ' AND source = ', ' AND event_id = ', '']
  const readBackStrings = [`SELECT repeats FROM ${t.inbox.text}${where[0]}`, ...where.slice(1)]
  const withdrawStrings = [`DELETE FROM ${t.inbox.text}${where[0]}`, ...where.slice(1)]

  return {
    enter: ({ consumer, source, eventId }) => ({ strings: enterStrings, values: [consumer, source, eventId] }),
    readBack: ({ consumer, source, eventId }) => ({ strings: readBackStrings, values: [consumer, source, eventId] }),
    entered: ([row]) => row !== undefined && Number(row['repeats']) === 0,
    withdraw: ({ consumer, source, eventId }) => ({ strings: withdrawStrings, values: [consumer, source, eventId] }),

    /** By the index on handled_at; several that prune at once take different rows and wait for nobody. */
    prune: ({ age, limit }) =>
      runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          const rows = await tx.query(sql`
SELECT consumer, source, event_id FROM ${t.inbox} WHERE handled_at <= ${nowPlus(-age)}
ORDER BY handled_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`)
          for (const some of slices(rows)) {
            const keys = some.map((row) => sql`(${Object.values(row) as SqlValue[]})`)
            await tx.run(sql`DELETE FROM ${t.inbox} WHERE (consumer, source, event_id) IN (${join(keys, ', ')})`)
          }
          return rows.length
        }),
      ),
  }
}
