import { SEND_COLUMNS } from '../../record/columns.ts'
import type { FetchedRow, LaneCursor, RelayStore } from '../relay-store.ts'
import { rowReader } from '../rows.ts'
import type { Client, RawRow } from './client.ts'
import type { Tables } from './tables.ts'
import { READERS, selectList, UNSETTLED } from './values.ts'

/**
 * Reads due events of some lanes in `seq` order: one ordered range scan of the hot index for each lane and name.
 * The names of a lane share its limit, or the reader's cursor would pass rows of the name that reached it earlier.
 *
 * Plan it must have: Index Scan using `..._hot` innermost, never a Bitmap or Seq Scan; a test checks that with the
 * statistics of an empty table. Flat from an empty table to 5.6 million rows (`bench/fetch-cost.ts`).
 * One scan in `seq` order filtered by lane costs more the fewer lanes are owned, and sorts the whole backlog when
 * there are two names: 274 ms against 3 (docs/decisions/0010-fetch-by-lane.md).
 *
 * `scheduled_at` is checked once more, since a row that others updated may not be parked. What was due when it was written
 * stays due when the clock is set back.
 */
export function fetch(client: Client, t: Tables) {
  const columns = SEND_COLUMNS.map((column) => `e."${column}"`).join(', ')
  const due = `e.available_at IS NULL AND e.status IN ${UNSETTLED}
      AND (e.scheduled_at <= statement_timestamp() OR e.scheduled_at <= greatest(e.created_at, e.updated_at))`
  const text = `
SELECT ${columns}
FROM unnest($2::int[], $3::bigint[], $4::int[]) AS l(lane, after, max)
CROSS JOIN LATERAL (
  SELECT e.*
  FROM unnest($1::text[]) AS n(name)
  CROSS JOIN LATERAL (
    SELECT ${selectList(SEND_COLUMNS)}, e.seq AS position
    FROM ${t.events} AS e
    WHERE e.publisher_backend = n.name AND e.lane = l.lane AND e.seq > l.after
      AND ${due}
    ORDER BY e.seq
    LIMIT l.max) AS e
  ORDER BY e.position
  LIMIT l.max) AS e
ORDER BY e.position`
  const read = rowReader(SEND_COLUMNS, READERS) as (row: RawRow) => FetchedRow

  return async (names: readonly string[], lanes: readonly LaneCursor[]): Promise<readonly FetchedRow[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    const rows = await client.query(text, [
      names,
      lanes.map(({ lane }) => lane),
      lanes.map(({ after }) => after),
      lanes.map(({ limit }) => limit),
    ])
    return rows.map(read)
  }
}

/** One entry at the end of the hot index for each name. */
export function lastSeq(client: Client, t: Tables): RelayStore['lastSeq'] {
  const text = `
SELECT max(e.seq) AS last
FROM unnest($1::text[]) AS n(name)
CROSS JOIN LATERAL (
  SELECT e.seq FROM ${t.events} AS e
  WHERE e.publisher_backend = n.name AND e.lane = $2::int AND e.available_at IS NULL AND e.status IN ${UNSETTLED}
  ORDER BY e.seq DESC
  LIMIT 1) AS e`
  return async (names, lane) => {
    const [row] = await client.query(text, [names, lane])
    const last = row?.['last'] ?? null
    return last === null ? undefined : Number(last)
  }
}

/**
 * PostgreSQL has no jump along an index of its own, so the query makes it: the least name, then the least above that one,
 * in the index of what is due and in that of what is parked.
 */
export function waitingNames(client: Client, t: Tables): RelayStore['waitingNames'] {
  const jump = (name: string, available: 'IS NULL' | 'IS NOT NULL') => {
    const least = (after: string) => `(SELECT e.publisher_backend FROM ${t.events} AS e
    WHERE e.available_at ${available} AND e.status IN ${UNSETTLED} ${after}
    ORDER BY e.publisher_backend LIMIT 1)`
    return `${name} AS (
  SELECT ${least('')} AS backend
  UNION ALL
  SELECT ${least('AND e.publisher_backend > n.backend')} FROM ${name} AS n WHERE n.backend IS NOT NULL
)`
  }
  const text = `
WITH RECURSIVE ${jump('hot', 'IS NULL')}, ${jump('parked', 'IS NOT NULL')}
(SELECT backend FROM hot WHERE backend IS NOT NULL LIMIT $1::int)
UNION
(SELECT backend FROM parked WHERE backend IS NOT NULL LIMIT $1::int)
LIMIT $1::int`
  return async (limit) => (await client.query(text, [limit])).map((row) => row['backend'] ?? '')
}
