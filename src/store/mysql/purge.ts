import type { RetentionStore } from '../retention-store.ts'
import type { Client, RawRow, Runs } from './client.ts'
import { lockLanes, PLACE, placeOf, raiseAttention } from './coordination.ts'
import { type Sql, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { AT_ONCE, nowPlus, STAGE } from './values.ts'

/** Rows read by one statement: a short one, and a short transaction. */
const PAGE = AT_ONCE
/** Before every `seq`, zero among them. */
const FIRST = -1
/** Pages in one call. What is left is for the next call, which goes on where this one stopped. */
const PAGES = 200

/**
 * Retention. No index holds published rows by status or time, so it walks the index on `seq`, page by page: the old
 * rows come first, and the walk ends at the page with the first row that is too young.
 *
 * The walk remembers where it was: rows that must stay (a dead letter kept for ever, 100,000 events behind a blocked
 * key) are passed once in a round, not once in a call. A call therefore may return less than `limit` although more
 * could go; the next finds it.
 *
 * The lanes of failed events that blocked their key are notified, so that what waits behind them is released.
 */
export function purge(client: Client, t: Tables): RetentionStore['purge'] {
  const isOld = (publishedFor: number | null, failedFor: number | null): Sql => {
    const old = (age: number | null, column: 'published_at' | 'updated_at') =>
      age === null ? sql`FALSE` : sql`${COLUMN[column]} < ${nowPlus(-age)}`
    return sql`((status = 'published' AND ${old(publishedFor, 'published_at')})
    OR (status IN ('failed', 'cancelled') AND ${old(failedFor, 'updated_at')}))`
  }

  const page = (after: number, publishedFor: number | null, failedFor: number | null) => {
    const youngest = Math.min(publishedFor ?? Number.POSITIVE_INFINITY, failedFor ?? Number.POSITIVE_INFINITY)
    return client.query(sql`
SELECT id, seq, created_at > ${nowPlus(-youngest)} AS young,
  ${isOld(publishedFor, failedFor)} AS old
FROM ${t.events} FORCE INDEX (${t.index.seq}) WHERE seq > ${after} ORDER BY seq LIMIT ${PAGE}`)
  }

  /** An operator may have moved some of them meanwhile, or hold them locked: those stay. */
  const remove = (ids: readonly string[], stillOld: Sql) =>
    runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        const blocks = sql`stage = ${STAGE.failed} AND available_at IS NOT NULL`
        const here = sql`${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${ids})`
        await lockLanes(tx, t, (await tx.query(sql`SELECT ${PLACE} FROM ${here} AND ${blocks}`)).map(placeOf))
        const rows = await tx.query(sql`
SELECT id, ${PLACE}, ${blocks} AS blocks FROM ${here} AND ${stillOld} FOR UPDATE SKIP LOCKED`)
        if (rows.length === 0) return 0
        await deleteById(
          tx,
          t,
          rows.map((row) => String(row['id'])),
        )
        await raiseAttention(tx, t, rows.filter((row) => Number(row['blocks']) === 1).map(placeOf))
        return rows.length
      }),
    )

  let walkedTo = FIRST

  return async ({ publishedFor, failedFor, limit }) => {
    if ((publishedFor === null && failedFor === null) || limit <= 0) return 0
    let deleted = 0
    let wrapped = walkedTo === FIRST
    for (let n = 0; n < PAGES; n++) {
      const rows = await page(walkedTo, publishedFor, failedFor)
      const old = rows.filter((row) => Number(row['old']) === 1).slice(0, limit - deleted)
      const ids = old.map((row) => String(row['id']))
      if (ids.length > 0) deleted += await remove(ids, isOld(publishedFor, failedFor))
      if (deleted >= limit) {
        walkedTo = seqOf(old.at(-1))
        break
      }
      const ended = rows.length < PAGE || rows.some((row) => Number(row['young']) === 1)
      walkedTo = ended ? FIRST : seqOf(rows.at(-1))
      if (!ended) continue
      // A call that began in the middle sees the part before it, too.
      if (wrapped) break
      wrapped = true
    }
    return deleted
  }
}

const COLUMN = { published_at: sql`published_at`, updated_at: sql`updated_at` }

function seqOf(row: RawRow | undefined): number {
  return Number(row?.['seq'] ?? 0)
}

/**
 * Deletes rows by id, as they are stored; in the form of several tables, which alone can name the index. Every row has
 * a `seq`: without a column that the index has not, MySQL with the statistics of a small table reads all of it instead.
 */
export function deleteById(tx: Runs, t: Tables, ids: readonly string[]): Promise<number> {
  return tx.run(sql`DELETE e FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE e.id IN (${ids}) AND e.seq > 0`)
}
