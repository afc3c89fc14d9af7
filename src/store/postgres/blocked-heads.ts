import type { AdminStore } from '../admin-store.ts'
import { pageOfHeads } from '../blocked-heads.ts'
import type { Client } from './client.ts'
import type { Tables } from './tables.ts'

/** In the order of the index of troubled events; the inner query with its limit bounds what is read of events that block nothing. */
export function blockedHeads(client: Client, t: Tables): AdminStore['blockedHeads'] {
  const troubled = (columns: string): string => `
SELECT ${columns} FROM ${t.events} AS e
WHERE e.publisher_backend = $1::text AND e.status IN ('retry', 'failed') AND (e.lane, e.seq) > ($2::int, $3::bigint)
ORDER BY e.publisher_backend, e.lane, e.seq`
  const headsText = `
SELECT e.id, e.lane, e.seq, e.partition_key, greatest(date_part('epoch', statement_timestamp() - e.updated_at) * 1000, 0) AS since
FROM (${troubled('e.id, e.lane, e.seq, e.status, e.partition_key, e.available_at, e.updated_at')} LIMIT $4::bigint) AS e
WHERE e.status = 'failed' AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
ORDER BY e.lane, e.seq LIMIT $5::bigint`
  const endText = `${troubled('e.lane, e.seq')} OFFSET $4::bigint LIMIT 1`
  return async ({ backend, after, limit, rows }) => {
    const place = [backend, after?.lane ?? -1, after?.seq ?? 0] as const
    const found = (await client.query(headsText, [...place, rows, limit + 1])).map((row) => ({
      backend,
      partitionKey: String(row['partition_key']),
      heldBy: String(row['id']),
      since: Number(row['since']),
      lane: Number(row['lane']),
      seq: Number(row['seq']),
    }))
    if (found.length > limit) return pageOfHeads(found, limit, null)
    const [end] = await client.query(endText, [...place, rows - 1])
    return pageOfHeads(found, limit, end === undefined ? null : { lane: Number(end['lane']), seq: Number(end['seq']) })
  }
}
