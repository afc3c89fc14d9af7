import type { AdminStore } from '../admin-store.ts'
import { lanesOf, waitsOf } from '../key-waits.ts'
import { OF_INDEXES } from './by-index.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'
import { UNSETTLED } from './values.ts'

/** Of each lane the ranges of the two indexes of what is unsettled, cut, each read once for all of its keys. */
export function behind(client: Client, t: Tables): AdminStore['waiting'] {
  const text = `
SELECT l.backend, l.lane, e.part, CASE WHEN e.partition_key = ANY ($3::text[]) THEN e.partition_key END AS key, count(*) AS count
FROM unnest($1::text[], $2::int[]) AS l(backend, lane)
CROSS JOIN LATERAL (
  (SELECT 'hot' AS part, e.partition_key FROM ${t.events} AS e
    WHERE e.publisher_backend = l.backend AND e.lane = l.lane AND e.available_at IS NULL AND e.status IN ${UNSETTLED}
    ORDER BY e.seq LIMIT $4::bigint)
  UNION ALL
  (SELECT 'parked', e.partition_key FROM ${t.events} AS e
    WHERE e.publisher_backend = l.backend AND e.lane = l.lane AND e.available_at IS NOT NULL AND e.status IN ${UNSETTLED}
    ORDER BY e.available_at DESC LIMIT $4::bigint)) AS e
GROUP BY 1, 2, 3, 4`
  return (keys, rows) =>
    client.snapshot(async (tx) => {
      const lanes = lanesOf(keys)
      const values = [lanes.map(({ backend }) => backend), lanes.map(({ lane }) => lane)]
      await tx.query(OF_INDEXES)
      const read = await tx.query(text, [...values, keys.map(({ partitionKey }) => partitionKey), rows + 1])
      const rowsOfLanes = read.map((row) => ({
        backend: row['backend'] ?? '',
        lane: Number(row['lane']),
        part: row['part'] ?? '',
        partitionKey: row['key'] ?? null,
        count: Number(row['count']),
      }))
      return waitsOf(keys, rowsOfLanes, rows)
    })
}
