import { type KeyInLane, type KeyWaits, lanesOf, type RowsOfLane, waitsOf } from '../key-waits.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'

/** Of each lane the ranges of the two indexes of what is unsettled, cut, each read once for all of its keys. */
export function behind(t: Tables) {
  const counted = (index: string, is: string, order: string): string => `
    SELECT CASE WHEN key IN (SELECT value FROM json_each(?)) THEN key END AS key, count(*) AS n
    FROM (
      SELECT partition_key AS key FROM ${t.events} INDEXED BY ${index}
      WHERE available_at ${is} AND status IN ('pending', 'retry', 'processing') AND publisher_backend = ? AND lane = ?
      ORDER BY ${order} LIMIT ?)
    GROUP BY 1`
  const parts = {
    hot: counted(t.index.hot, 'IS NULL', 'seq'),
    parked: counted(t.index.parked, 'IS NOT NULL', 'available_at DESC'),
  }
  return (db: Connection, keys: readonly KeyInLane[], rows: number): readonly KeyWaits[] => {
    const named = JSON.stringify(keys.map(({ partitionKey }) => partitionKey))
    const read = lanesOf(keys).flatMap(({ backend, lane }) =>
      Object.entries(parts).flatMap(([part, sql]) =>
        db.all(sql, named, backend, lane, rows + 1).map(
          ({ key, n }): RowsOfLane => ({
            backend,
            lane,
            part,
            partitionKey: key == null ? null : String(key),
            count: Number(n),
          }),
        ),
      ),
    )
    return waitsOf(keys, read, rows)
  }
}
