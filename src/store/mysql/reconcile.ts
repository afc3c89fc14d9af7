import type { HeldHead } from '../relay-store.ts'
import type { Client } from './client.ts'
import { isNamed } from './fetch.ts'
import { FAR_FUTURE_SQL, NOW, STAGE } from './literals.ts'
import { slices } from './slices.ts'
import { type Sql, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { fromSqlId } from './uuid.ts'

/**
 * Rows looked for at once; each time, those that wait behind a blocked key are passed again. They are released a slice
 * at a time: a key with a million events behind it must not make one transaction of a minute.
 */
const FOUND_AT_ONCE = 20_000

/**
 * Releases what waits behind keys that no failed event blocks any longer, and returns the heads that hold their key.
 * A relay calls it before it reads lanes that it has just taken, so nothing of them is fetched in between.
 *
 * A retry that is due but still parked is brought back by it, too: otherwise a relay that fetches before its first
 * `unpark` would send a later event of that key first.
 *
 * Rows are found without a lock and updated by id: an update that searched by the work index would lock the gaps that
 * it passes, and inserts would wait.
 */
export function reconcile(client: Client, t: Tables) {
  const from = sql`FROM ${t.events} AS e FORCE INDEX (${t.index.work})`
  const waits = [STAGE.parked, STAGE.retrying]
  // The blocking keys are collected once, then each waiting row is looked up there.
  const free = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id ${from}
LEFT JOIN (
  SELECT DISTINCT e.lane, e.partition_key ${from}
  WHERE ${isNamed(names)} AND e.stage = ${STAGE.failed} AND e.lane IN (${lanes})
    AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
) AS blocked ON blocked.lane = e.lane AND blocked.partition_key = e.partition_key
WHERE ${isNamed(names)} AND e.stage IN (${waits}) AND e.lane IN (${lanes}) AND e.available_at = ${FAR_FUTURE_SQL}
  AND blocked.lane IS NULL
LIMIT ${FOUND_AT_ONCE}`

  // What waits for an event between retries, where there is none any more.
  const orphans = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id ${from}
LEFT JOIN (
  SELECT DISTINCT e.publisher_backend, e.lane, e.partition_key ${from}
  WHERE ${isNamed(names)} AND e.stage IN (${[STAGE.retrying, STAGE.failed]}) AND e.lane IN (${lanes})
    AND e.available_at > ${NOW} AND e.partition_key IS NOT NULL
) AS held ON held.publisher_backend = e.publisher_backend AND held.lane = e.lane AND held.partition_key = e.partition_key
WHERE ${isNamed(names)} AND e.stage = ${STAGE.parked} AND e.lane IN (${lanes})
  AND e.available_at > ${NOW} AND e.available_at < ${FAR_FUTURE_SQL}
  AND e.scheduled_at <= ${NOW} AND e.partition_key IS NOT NULL AND held.lane IS NULL
LIMIT ${FOUND_AT_ONCE}`

  const heads = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id, e.seq, e.lane, e.stage, e.partition_key AS held, e.generation,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, e.available_at) AS due ${from}
WHERE ${isNamed(names)} AND e.stage IN (${[STAGE.retrying, STAGE.failed]}) AND e.lane IN (${lanes})
  AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
ORDER BY e.seq`

  const release = async (ids: readonly string[], which: Sql): Promise<void> => {
    for (const some of slices(ids)) {
      await client.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET available_at = NULL
WHERE id IN (${some}) AND stage IN (${waits}) AND ${which}`)
    }
  }

  return async (names: readonly string[], lanes: readonly number[]): Promise<readonly HeldHead[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    // The heads first: one that is moved from here on is known as a head, and its lane looked at again when it comes.
    const rows = (await client.query(heads(names, lanes))).map((row) => ({
      stored: String(row['id']),
      retries: Number(row['stage']) === STAGE.retrying,
      due: Number(row['due']) / 1_000,
      seq: Number(row['seq']),
      lane: Number(row['lane']),
      partitionKey: String(row['held']),
      generation: Number(row['generation']),
    }))
    for (const { find, which } of [
      { find: free, which: sql`available_at = ${FAR_FUTURE_SQL}` },
      { find: orphans, which: sql`available_at < ${FAR_FUTURE_SQL} AND status <> 'retry' AND scheduled_at <= ${NOW}` },
    ]) {
      for (;;) {
        const ids = (await client.query(find(names, lanes))).map((row) => String(row['id']))
        await release(ids, which)
        if (ids.length < FOUND_AT_ONCE) break
      }
    }
    const due = rows.filter((row) => row.retries && row.due <= 0)
    await release(
      due.map(({ stored }) => stored),
      sql`available_at <= ${NOW}`,
    )
    return rows
      .filter((row) => !due.includes(row))
      .map(({ stored, retries, due: dueIn, seq, lane, partitionKey, generation }) => ({
        id: fromSqlId(stored),
        seq,
        lane,
        partitionKey,
        generation,
        dueIn: retries ? dueIn : null,
      }))
  }
}
