import { type InboxStore, listedEntry } from '../inbox-store.ts'
import { fromSqlDate } from '../values.ts'
import type { Client } from './client.ts'
import { join, Sql, type SqlValue, sql, utf8 } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { nowPlus, slices } from './values.ts'

/**
 * What each consumer has handled. An existing entry is not skipped but its count raised: being a change, that lets this
 * transaction see the entry even where its snapshot is older (REPEATABLE READ), and a count of 0 means that it is new.
 */
export function inbox(client: Client, t: Tables): InboxStore {
  // The unique index makes this wait for another transaction that has entered the same and not ended.
  const enterStrings = [
    `INSERT INTO ${t.inbox.text} (consumer, source, event_id) VALUES (`,
    ', ',
    ', ',
    ') ON DUPLICATE KEY UPDATE repeats = repeats + 1 /*M! RETURNING repeats */',
  ]
  const where = [' WHERE consumer = ', ' AND source = ', ' AND event_id = ', '']
  const findStrings = [`SELECT repeats FROM ${t.inbox.text}${where[0]}`, ...where.slice(1)]
  const withdrawStrings = [`DELETE FROM ${t.inbox.text}${where[0]}`, ...where.slice(1)]

  return {
    *enter({ consumer, source, eventId }) {
      const values = [consumer, source, eventId]
      let [row] = yield { strings: enterStrings, values }
      // MySQL, whose INSERT returns no rows.
      if (row === undefined) [row] = yield { strings: findStrings, values }
      return row !== undefined && Number(row['repeats']) === 0
    },
    *find({ consumer, source, eventId }) {
      const found = yield { strings: findStrings, values: [consumer, source, eventId], effect: 'reads' }
      return found.length > 0
    },
    *withdraw({ consumer, source, eventId }) {
      yield { strings: withdrawStrings, values: [consumer, source, eventId] }
    },

    async list({ after, limit }) {
      const at = after && sql`CAST(${after.at} AS DATETIME(6))`
      const behind =
        after && at
          ? sql`WHERE handled_at <= ${at} AND (handled_at < ${at} OR (consumer, source, event_id) < (${after.consumer}, ${after.source}, ${after.eventId}))`
          : sql``
      const rows = await client.query(sql`
SELECT ${utf8(new Sql('consumer'))} AS consumer, ${utf8(new Sql('source'))} AS source, ${utf8(new Sql('event_id'))} AS event_id,
  CAST(handled_at AS CHAR) AS at
FROM ${t.inbox} FORCE INDEX (inbox_age) ${behind}
ORDER BY handled_at DESC, ${t.inbox}.consumer DESC, ${t.inbox}.source DESC, ${t.inbox}.event_id DESC LIMIT ${limit}`)
      return rows.map((row) => listedEntry(row, fromSqlDate))
    },

    /**
     * By the index on handled_at; concurrent calls take different rows and do not wait for each other. Both statements
     * read a column that their index lacks: otherwise MySQL with the statistics of a small table reads all of it.
     */
    prune: ({ age, limit }) =>
      runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          const rows = await tx.query(sql`
SELECT consumer, source, event_id, repeats FROM ${t.inbox} FORCE INDEX (inbox_age) WHERE handled_at <= ${nowPlus(-age)}
ORDER BY handled_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`)
          for (const some of slices(rows)) {
            const keys = some.map((row) => sql`(${[row['consumer'], row['source'], row['event_id']] as SqlValue[]})`)
            await tx.run(sql`
DELETE i FROM ${t.inbox} AS i FORCE INDEX (PRIMARY)
WHERE (i.consumer, i.source, i.event_id) IN (${join(keys, ', ')}) AND i.handled_at <= ${nowPlus(-age)}`)
          }
          return rows.length
        }),
      ),
  }
}
