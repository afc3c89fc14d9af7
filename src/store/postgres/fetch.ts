import { SEND_COLUMNS } from '../../record/columns.ts'
import type { FetchedRow, LaneCursor } from '../relay-store.ts'
import type { Client } from './client.ts'
import { UNSETTLED } from './literals.ts'
import { decodeColumns, selectList } from './row.ts'
import type { Tables } from './tables.ts'

/**
 * Reads due events of some lanes in `seq` order: one ordered range scan of the hot index for each name and lane.
 *
 * Plan it must have: Index Scan using `..._hot` under the Nested Loop, never a Sort or Bitmap Scan below it; a test
 * checks that with statistics of an empty table. `$5`, the greatest limit, is there for the planner: it knows its
 * value, where of `l.max` alone it would assume a tenth of the lane. See docs/decisions/0010 for what the other shape
 * (one scan in `seq` order, filtered by lane) costs.
 *
 * `scheduled_at` is looked at once more, since a row that somebody else updated may not be parked.
 */
export function fetch(client: Client, t: Tables) {
  const text = `
SELECT e.*
FROM unnest($1::text[]) AS n(name)
CROSS JOIN unnest($2::int[], $3::bigint[], $4::int[]) AS l(lane, after, max)
CROSS JOIN LATERAL (
  SELECT * FROM (
    SELECT ${selectList(SEND_COLUMNS, (column) => column)}, e.seq AS position
    FROM ${t.events} AS e
    WHERE e.publisher_backend = n.name AND e.lane = l.lane AND e.seq > l.after
      AND e.available_at IS NULL AND e.status IN ${UNSETTLED}
      AND e.scheduled_at <= statement_timestamp()
    ORDER BY e.seq
    LIMIT $5) AS e
  LIMIT l.max) AS e
ORDER BY e.position`

  return async (names: readonly string[], lanes: readonly LaneCursor[]): Promise<readonly FetchedRow[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    const rows = await client.query(text, [
      names,
      lanes.map(({ lane }) => lane),
      lanes.map(({ after }) => after),
      lanes.map(({ limit }) => limit),
      lanes.reduce((most, { limit }) => Math.max(most, limit), 0),
    ])
    for (const row of rows) {
      delete row['position']
      decodeColumns(row)
    }
    return rows as unknown as readonly FetchedRow[]
  }
}
