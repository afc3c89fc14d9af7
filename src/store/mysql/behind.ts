import type { AdminStore } from '../admin-store.ts'
import { lanesOf, waitsOf } from '../key-waits.ts'
import type { Client } from './client.ts'
import { isNamed } from './fetch.ts'
import { join, type Sql, sql, utf8 } from './sql.ts'
import type { Tables } from './tables.ts'
import { STAGE } from './values.ts'

const KEY = sql`e.partition_key`
const HOT = sql`e.stage = ${STAGE.hot} AND e.available_at IS NULL`
const PARTS = [
  { part: STAGE.hot, is: HOT, order: sql`e.seq` },
  { part: STAGE.parked, is: sql`e.stage = ${STAGE.parked}`, order: sql`e.available_at DESC` },
  { part: STAGE.retrying, is: sql`e.stage = ${STAGE.retrying}`, order: sql`e.available_at DESC` },
]

/** Of each lane the ranges of the work index in which its unsettled rows are, cut, each read once for all of its keys. */
export function behind(client: Client, t: Tables): AdminStore['waiting'] {
  const counted = (n: number, of: { backend: string; lane: number }, keys: Sql, rows: number): readonly Sql[] =>
    PARTS.map(
      ({ part, is, order }) => sql`
SELECT ${n} AS n, ${part} AS part, CASE WHEN s.bytes IN (${keys}) THEN s.bytes END AS name, COUNT(*) AS found
FROM (
  SELECT ${utf8(KEY)} AS bytes FROM ${t.events} AS e FORCE INDEX (${t.index.work})
  WHERE ${isNamed([of.backend])} AND ${is} AND e.lane = ${of.lane}
  ORDER BY ${order} LIMIT ${rows + 1}) AS s
GROUP BY 3`,
    )
  return async (keys, rows) => {
    const lanes = lanesOf(keys)
    if (lanes.length === 0) return []
    const names = join(
      keys.map(({ partitionKey }) => utf8(partitionKey)),
      ', ',
    )
    const read = await client.query(
      join(
        lanes.flatMap((of, n) => counted(n, of, names, rows)),
        '\nUNION ALL\n',
      ),
    )
    const rowsOfLanes = read.flatMap(({ n, part, name, found }) => {
      const of = lanes[Number(n)]
      return of
        ? [{ ...of, part: String(part), partitionKey: name == null ? null : String(name), count: Number(found) }]
        : []
    })
    return waitsOf(keys, rowsOfLanes, rows)
  }
}
