import { SEND_COLUMNS } from '../../record/columns.ts'
import type { FetchedRow, LaneCursor } from '../relay-store.ts'
import type { Client } from './client.ts'
import { UNSETTLED } from './literals.ts'
import { decodeColumns, selectList } from './row.ts'
import type { Tables } from './tables.ts'

/**
 * Reads due events of some lanes in `seq` order: one ordered range scan of the hot index for each lane and name.
 * The names of a lane share its limit, or the reader's cursor would pass rows of the name that reached it earlier.
 *
 * Plan it must have: Index Scan using `..._hot` innermost, never a Bitmap or Seq Scan; a test checks that with the
 * statistics of an empty table. Flat from an empty table to 5.6 million rows (`bench/fetch-cost.ts`).
 * One scan in `seq` order filtered by lane costs more the fewer lanes are owned, and sorts the whole backlog when
 * there are two names: 274 ms against 3 (docs/decisions/0010-fetch-by-lane.md).
 *
 * `scheduled_at` is looked at once more, since a row that somebody else updated may not be parked.
 */
export function fetch(client: Client, t: Tables) {
  const text = `
SELECT ${SEND_COLUMNS.map((column) => `e."${column}"`).join(', ')}
FROM unnest($2::int[], $3::bigint[], $4::int[]) AS l(lane, after, max)
CROSS JOIN LATERAL (
  SELECT e.*
  FROM unnest($1::text[]) AS n(name)
  CROSS JOIN LATERAL (
    SELECT ${selectList(SEND_COLUMNS, (column) => column)}, e.seq AS position
    FROM ${t.events} AS e
    WHERE e.publisher_backend = n.name AND e.lane = l.lane AND e.seq > l.after
      AND e.available_at IS NULL AND e.status IN ${UNSETTLED}
      AND e.scheduled_at <= statement_timestamp()
    ORDER BY e.seq
    LIMIT l.max) AS e
  ORDER BY e.position
  LIMIT l.max) AS e
ORDER BY e.position`

  return async (names: readonly string[], lanes: readonly LaneCursor[]): Promise<readonly FetchedRow[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    const rows = await client.query(text, [
      names,
      lanes.map(({ lane }) => lane),
      lanes.map(({ after }) => after),
      lanes.map(({ limit }) => limit),
    ])
    for (const row of rows) decodeColumns(row)
    return rows as unknown as readonly FetchedRow[]
  }
}
