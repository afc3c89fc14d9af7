import {
  type Census,
  farthest,
  groupsOf,
  placeOfSeq,
  SETTLED,
  type SettledEvent,
  type SettledPage,
  type SettledWalk,
  seqOfPlace,
  settledOf,
  youngest,
} from '../retention-store.ts'
import { fromSqlId, statusList, toSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import { raiseAttention } from './coordination.ts'
import type { Tables } from './tables.ts'
import { nowPlus } from './values.ts'

const LEAST = -(2n ** 63n)
const GREATEST = 2n ** 63n - 1n

/** When a row was settled, whether a key waits for it, and what differs when it was moved or settled anew. */
const SETTLED_AT = `CASE WHEN status = 'published' THEN coalesce(published_at, updated_at) ELSE updated_at END`
const BLOCKS = `(status = 'failed' AND available_at IS NOT NULL)`
const VERSION = `status || ' ' || generation || ' ' || (${SETTLED_AT})`

/**
 * Looks for old settled rows. No index holds them by time, since each insert and settle would pay for it: the walk goes
 * from the oldest row on, and ends at the page with the first that was created too late to be old enough.
 */
export function walkSettled(t: Tables) {
  // Plain question marks: Node 22 cannot bind numbered ones.
  const isOld = SETTLED.map((status) => {
    return `(status = '${status}' AND (${SETTLED_AT} <= ${nowPlus('-?')} OR (seq <= ? AND NOT ${BLOCKS})))`
  }).join(' OR ')
  const sql = `
    SELECT CAST(seq AS TEXT) AS place, id, status, event_type, ${VERSION} AS version, created_at > ${nowPlus('-?')} AS young,
      (julianday('now') - julianday(${SETTLED_AT})) * 86400000 AS age,
      NOT ${BLOCKS} AS counts, ${isOld} AS old
    FROM ${t.events} WHERE seq >= ? ORDER BY seq LIMIT ?`
  /** Ten thousand years: more than strftime takes, so nothing is older; and fifty, so that everything is younger. */
  const [forever, always] = [315_576_000_000, 1_577_880_000]
  const seconds = (duration: number | null): number => (duration === null ? forever : duration / 1000)
  return (db: Connection, { after, rows, ages, upTo }: SettledWalk): SettledPage => {
    const limits = SETTLED.flatMap((status) => [
      seconds(ages[status]),
      upTo[status] === null ? null : seqOfPlace(upTo[status]),
    ])
    const end = farthest(upTo)
    const least = youngest(ages)
    const page = db.all(
      sql,
      least === null ? always : least / 1000,
      ...limits,
      after === null ? LEAST : seqOfPlace(after) + 1n,
      rows,
    )
    const last = placeOfSeq(page.at(-1)?.['place'] ?? 0)
    const isLast = page.length < rows || (page.some((row) => row['young'] === 1) && (end === null || last > end))
    return {
      events: page.filter((row) => row['old'] === 1).map((row) => settledOf(row, (id) => fromSqlId(String(id)))),
      next: isLast ? null : last,
    }
  }
}

/** Deletes rows that are as they were read. */
export function removeSettled(t: Tables) {
  const sql = `
    DELETE FROM ${t.events} WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
      AND (id, ${VERSION}) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))
    RETURNING publisher_backend, lane, ${BLOCKS} AS blocked`
  const raise = raiseAttention(t)
  return (db: Connection, events: readonly SettledEvent[]): number => {
    if (events.length === 0) return 0
    const read = JSON.stringify(events.map(({ id, version }) => [toSqlId(id), version]))
    const deleted = db.all(sql, read, read)
    // What waits behind a deleted failed event is released by the lane's owner.
    raise(
      db,
      deleted.filter((row) => row['blocked'] === 1),
    )
    return deleted.length
  }
}

/** Counts settled rows of a part of the table. */
export function countSettled(t: Tables) {
  const page = `SELECT seq, status, event_type, available_at FROM ${t.events} WHERE seq <= ? AND seq >= ? ORDER BY seq DESC LIMIT ?`
  const countSql = `
    SELECT status, event_type, count(*) AS count FROM (${page})
    WHERE status IN ${statusList(SETTLED)} AND NOT ${BLOCKS} GROUP BY status, event_type`
  const lastSql = `SELECT CAST(min(seq) AS TEXT) AS last FROM (${page})`
  return (db: Connection, before: string | null, rows: number, from: string | null = null): Census => {
    const page = [before === null ? GREATEST : seqOfPlace(before) - 1n, from === null ? LEAST : seqOfPlace(from), rows]
    const last = db.get(lastSql, ...page)?.['last']
    return { groups: groupsOf(db.all(countSql, ...page)), last: last == null ? null : placeOfSeq(last) }
  }
}
