import { CLOCK_AHEAD, type HeldHead, LONGEST_PARKING } from '../relay-store.ts'
import { fromSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, millisecondsBetween, NOW, nowPlus } from './values.ts'

/** Releases what waits behind a key that nothing holds any longer, and returns the heads that do hold theirs. */
export function reconcile(t: Tables) {
  // As in `unpark`.
  const goes = `available_at = NULL, updated_at = max(updated_at, ${NOW})`
  // Plain question marks: Node 22 cannot bind numbered ones.
  const here = `publisher_backend IN (SELECT value FROM json_each(?)) AND lane IN (SELECT value FROM json_each(?))`
  // The blocking keys are collected once, then each waiting row is looked up among them: linear in the waiting rows,
  // whether one key or thousands are blocked. `status IN ('retry', 'failed')` is the index's condition.
  const releaseSql = `
    UPDATE ${t.events} SET ${goes} WHERE seq IN (
      SELECT seq FROM ${t.events} INDEXED BY ${t.index.parked}
      WHERE ${here} AND available_at = ${FAR_FUTURE_SQL} AND status IN ('pending', 'retry', 'processing')
        AND (partition_key IS NULL OR (lane, partition_key) NOT IN (
          SELECT lane, partition_key FROM ${t.events} INDEXED BY ${t.index.troubled}
          WHERE ${here} AND status IN ('retry', 'failed') AND status = 'failed'
            AND available_at IS NOT NULL AND partition_key IS NOT NULL)))`
  // A retry that was written while the clock was ahead waits for its delay from now.
  const fromNow = `strftime('%Y-%m-%d %H:%M:%f000', julianday('now') + julianday(available_at) - julianday(updated_at))`
  const aheadSql = `
    UPDATE ${t.events} SET available_at = ${fromNow}, scheduled_at = ${fromNow}, updated_at = ${NOW} WHERE seq IN (
      SELECT seq FROM ${t.events} INDEXED BY ${t.index.troubled}
      WHERE ${here} AND status IN ('retry', 'failed') AND status = 'retry' AND available_at > ${NOW}
        AND updated_at > ${nowPlus(String(CLOCK_AHEAD / 1_000))})`
  // Parked behind an event between retries that is gone, or parked for longer than that event.
  const orphansSql = `
    UPDATE ${t.events} SET ${goes} WHERE seq IN (
      SELECT e.seq FROM ${t.events} AS e INDEXED BY ${t.index.parked} LEFT JOIN (
        SELECT publisher_backend AS backend, lane AS at, partition_key AS held, max(available_at) AS until
        FROM ${t.events} INDEXED BY ${t.index.troubled}
        WHERE ${here} AND status IN ('retry', 'failed') AND available_at > ${NOW} AND partition_key IS NOT NULL
        GROUP BY 1, 2, 3
      ) AS head ON head.backend = e.publisher_backend AND head.at = e.lane AND head.held = e.partition_key
      WHERE ${here} AND e.available_at > ${NOW} AND e.available_at < ${FAR_FUTURE_SQL}
        AND e.status IN ('pending', 'retry', 'processing') AND e.status <> 'retry'
        AND (e.scheduled_at <= ${NOW} OR e.scheduled_at <= max(e.created_at, e.updated_at))
        AND CASE WHEN e.partition_key IS NULL THEN e.available_at > ${nowPlus(String(LONGEST_PARKING / 1_000))}
          ELSE head.until IS NULL OR head.until < e.available_at END)`
  const dueSql = `
    UPDATE ${t.events} SET ${goes} WHERE seq IN (
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
    db.run(aheadSql, ...values)
    db.run(releaseSql, ...values, ...values)
    db.run(orphansSql, ...values, ...values)
    db.run(dueSql, ...values)
    return db.all(headsSql, ...values).map((row) => ({
      id: fromSqlId(row['id']),
      seq: Number(row['seq']),
      lane: Number(row['lane']),
      partitionKey: String(row['partition_key']),
      generation: Number(row['generation']),
      dueIn: row['status'] === 'failed' ? null : millisecondsBetween(row['now'], row['available_at']),
    }))
  }
}
