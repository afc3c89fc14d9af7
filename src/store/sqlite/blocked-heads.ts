import { type BlockedHeads, type BlockedHeadsQuery, pageOfHeads } from '../blocked-heads.ts'
import { fromSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { millisecondsBetween, NOW } from './values.ts'

/** In the order of the index of troubled events; the inner query with its limit bounds what is read of events that block nothing. */
export function blockedHeads(t: Tables) {
  const troubled = `FROM ${t.events} INDEXED BY ${t.index.troubled}
    WHERE publisher_backend = ? AND status IN ('retry', 'failed') AND (lane, seq) > (?, ?) ORDER BY lane, seq`
  const headsSql = `
    SELECT id, lane, seq, partition_key, updated_at, ${NOW} AS now
    FROM (SELECT id, lane, seq, status, partition_key, available_at, updated_at ${troubled} LIMIT ?)
    WHERE status = 'failed' AND available_at IS NOT NULL AND partition_key IS NOT NULL ORDER BY lane, seq LIMIT ?`
  const endSql = `SELECT lane, seq ${troubled} LIMIT 1 OFFSET ?`
  return (db: Connection, { backend, after, limit, rows }: BlockedHeadsQuery): BlockedHeads => {
    const place = [backend, after?.lane ?? -1, after?.seq ?? 0] as const
    const found = db.all(headsSql, ...place, rows, limit + 1).map((row) => ({
      backend,
      partitionKey: String(row['partition_key']),
      heldBy: fromSqlId(row['id']),
      since: Math.max(0, millisecondsBetween(row['updated_at'], row['now'])),
      lane: Number(row['lane']),
      seq: Number(row['seq']),
    }))
    if (found.length > limit) return pageOfHeads(found, limit, null)
    const end = db.get(endSql, ...place, rows - 1)
    return pageOfHeads(found, limit, end === undefined ? null : { lane: Number(end['lane']), seq: Number(end['seq']) })
  }
}
