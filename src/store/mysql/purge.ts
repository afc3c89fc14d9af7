import {
  farthest,
  groupsOf,
  placeOfSeq,
  type RetentionStore,
  SETTLED,
  seqOfPlace,
  settledOf,
  youngest,
} from '../retention-store.ts'
import { fromSqlId, statusList, toSqlId } from '../values.ts'
import type { Client, Runs } from './client.ts'
import { lockLanes, raiseAttention } from './coordination.ts'
import { PLACE, placeOf } from './lanes-of-events.ts'
import { join, Sql, sql, utf8 } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { AT_ONCE, NOW, nowPlus, STAGE, slices } from './values.ts'

/**
 * Before every `seq`, zero among them. Without such a bound MySQL reads the whole table and sorts it, whatever index is
 * forced.
 */
const FIRST = sql`-1`
const GREATEST = sql`9223372036854775807`

/** When a row was settled, whether a key waits for it, and what differs when it was moved or settled anew. */
const SETTLED_AT = sql`CASE WHEN status = 'published' THEN COALESCE(published_at, updated_at) ELSE updated_at END`
const BLOCKS = sql`(status = 'failed' AND available_at IS NOT NULL)`
const VERSION = utf8(sql`CONCAT(status, ' ', generation, ' ', CAST(${SETTLED_AT} AS CHAR))`)

/**
 * Retention. No index holds published rows by status or time, so it walks the index on `seq`: the old rows come first,
 * and the walk ends at the page with the first row that is too young.
 */
export function retention(client: Client, t: Tables): RetentionStore {
  return {
    async walk({ after, rows: asked, ages, upTo }) {
      const rows = Math.min(asked, AT_ONCE)
      const isOld = SETTLED.map((status) => {
        const [age, place] = [ages[status], upTo[status]]
        const byAge = age === null ? sql`FALSE` : sql`${SETTLED_AT} < ${nowPlus(-age)}`
        const byNumber = place === null ? sql`FALSE` : sql`seq <= ${seqOf(place)} AND NOT ${BLOCKS}`
        return sql`(status = ${status} AND (${byAge} OR ${byNumber}))`
      })
      const least = youngest(ages)
      const page = await client.query(sql`
SELECT id, CAST(seq AS CHAR) AS place, status, ${utf8(new Sql('event_type'))} AS event_type, ${VERSION} AS version, ${join(isOld, ' OR ')} AS old,
  TIMESTAMPDIFF(MICROSECOND, ${SETTLED_AT}, ${NOW}) / 1000 AS age, NOT ${BLOCKS} AS counts,
  ${least === null ? sql`TRUE` : sql`created_at > ${nowPlus(-least)}`} AS young
FROM ${t.events} FORCE INDEX (${t.index.seq}) WHERE seq > ${after === null ? FIRST : seqOf(after)} ORDER BY seq LIMIT ${rows}`)
      const last = placeOfSeq(page.at(-1)?.['place'] ?? 0)
      const end = farthest(upTo)
      const isYoung = page.some((row) => Number(row['young']) === 1) && (end === null || last > end)
      return {
        events: page
          .filter((row) => Number(row['old']) === 1)
          .map((row) => settledOf(row, (id) => fromSqlId(String(id)))),
        next: page.length < rows || isYoung ? null : last,
      }
    },
    /** Lanes of failed events that blocked their key get attention, so that what waits behind them is released. */
    async remove(events) {
      let removed = 0
      for (const some of slices(events)) {
        const ids = some.map(({ id }) => toSqlId(id))
        const same = some.map(({ id, version }) => `${toSqlId(id)} ${version}`)
        removed += await runAgainOnConflict(() =>
          client.transaction(async (tx) => {
            const blocks = sql`stage = ${STAGE.failed} AND available_at IS NOT NULL`
            const here = sql`${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${ids})`
            await lockLanes(tx, t, (await tx.query(sql`SELECT ${PLACE} FROM ${here} AND ${blocks}`)).map(placeOf))
            // Those that an operator has moved since, or holds locked, stay.
            const rows = await tx.query(sql`
SELECT id, ${PLACE}, ${blocks} AS blocks FROM ${here} AND CONCAT(id, ' ', ${VERSION}) IN (${same}) FOR UPDATE SKIP LOCKED`)
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
      }
      return removed
    },
    async census(before, rows, from) {
      const start = from == null ? FIRST : seqOf(from)
      const end = before === null ? GREATEST : seqOf(before, -1n)
      const page = sql`
(SELECT seq, status, event_type, available_at FROM ${t.events} FORCE INDEX (${t.index.seq})
  WHERE seq <= ${end} AND seq >= ${start} ORDER BY seq DESC LIMIT ${rows}) AS page`
      const [oldest] = await client.query(sql`SELECT CAST(MIN(seq) AS CHAR) AS last FROM ${page}`)
      const groups = await client.query(sql`
SELECT status, ${utf8(new Sql('event_type'))} AS event_type, COUNT(*) AS count FROM ${page}
WHERE status IN ${new Sql(statusList(SETTLED))} AND NOT ${BLOCKS} GROUP BY 1, 2`)
      const last = oldest?.['last']
      return { groups: groupsOf(groups), last: last == null ? null : placeOfSeq(last) }
    },
  }
}

/** The `seq` of a place, or one before or behind it. */
function seqOf(place: string, more = 0n): Sql {
  return new Sql(String(seqOfPlace(place) + more))
}

/**
 * Deletes rows by stored id; in the multi-table form, the only one that can name the index. Every row has a `seq`:
 * without a column that the index lacks, MySQL with the statistics of a small table reads all of it instead.
 */
export function deleteById(tx: Runs, t: Tables, ids: readonly string[]): Promise<number> {
  return tx.run(sql`DELETE e FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE e.id IN (${ids}) AND e.seq > 0`)
}
