import type { HeldHead } from '../relay-store.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, fromSqlDate, fromSqlId, NOW } from './values.ts'

/** Releases what waits behind a key that nothing holds any longer, and returns the heads that do hold theirs. */
export function reconcile(t: Tables) {
  // Plain question marks: Node 22 cannot bind numbered ones.
  const here = `publisher_backend IN (SELECT value FROM json_each(?)) AND lane IN (SELECT value FROM json_each(?))`
  // The blocking keys are collected once (a few), then each waiting row is looked up there: linear in the rows that
  // wait, whether one key or thousands are blocked. `status IN ('retry', 'failed')` is what the index was made for.
  const releaseSql = `
    UPDATE ${t.events} SET available_at = NULL WHERE seq IN (
      SELECT seq FROM ${t.events} INDEXED BY ${t.index.parked}
      WHERE ${here} AND available_at = ${FAR_FUTURE_SQL} AND status IN ('pending', 'retry', 'processing')
        AND (partition_key IS NULL OR (lane, partition_key) NOT IN (
          SELECT lane, partition_key FROM ${t.events} INDEXED BY ${t.index.troubled}
          WHERE ${here} AND status IN ('retry', 'failed') AND status = 'failed'
            AND available_at IS NOT NULL AND partition_key IS NOT NULL)))`
  // What waits for an event between retries, where there is none any more.
  const orphansSql = `
    UPDATE ${t.events} SET available_at = NULL WHERE seq IN (
      SELECT seq FROM ${t.events} INDEXED BY ${t.index.parked}
      WHERE ${here} AND available_at > ${NOW} AND available_at < ${FAR_FUTURE_SQL}
        AND status IN ('pending', 'retry', 'processing') AND status <> 'retry' AND scheduled_at <= ${NOW}
        AND partition_key IS NOT NULL AND (publisher_backend, lane, partition_key) NOT IN (
          SELECT publisher_backend, lane, partition_key FROM ${t.events} INDEXED BY ${t.index.troubled}
          WHERE ${here} AND status IN ('retry', 'failed') AND available_at > ${NOW} AND partition_key IS NOT NULL))`
  const dueSql = `
    UPDATE ${t.events} SET available_at = NULL WHERE seq IN (
      SELECT seq FROM ${t.events} INDEXED BY ${t.index.troubled}
      WHERE ${here} AND status IN ('retry', 'failed') AND status = 'retry' AND partition_key IS NOT NULL
        AND available_at <= ${NOW})`
  const headsSql = `
    SELECT id, seq, lane, partition_key, generation, status, available_at, ${NOW} AS now
    FROM ${t.events} INDEXED BY ${t.index.troubled}
    WHERE ${here} AND status IN ('retry', 'failed') AND partition_key IS NOT NULL AND available_at IS NOT NULL
      AND (status = 'failed' OR available_at > ${NOW})
    ORDER BY seq`
  return (db: Connection, names: readonly string[], lanes: readonly number[]): readonly HeldHead[] => {
    const values = [JSON.stringify(names), JSON.stringify(lanes)] as const
    db.run(releaseSql, ...values, ...values)
    db.run(orphansSql, ...values, ...values)
    db.run(dueSql, ...values)
    return db.all(headsSql, ...values).map((row) => ({
      id: fromSqlId(String(row['id'])),
      seq: Number(row['seq']),
      lane: Number(row['lane']),
      partitionKey: String(row['partition_key']),
      generation: Number(row['generation']),
      dueIn: row['status'] === 'failed' ? null : millisecondsBetween(row['now'], row['available_at']),
    }))
  }
}

function millisecondsBetween(from: unknown, to: unknown): number {
  return fromSqlDate(String(to)).getTime() - fromSqlDate(String(from)).getTime()
}
