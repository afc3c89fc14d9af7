import { aroundLocked } from '../locked-rows.ts'
import type { HeldHead } from '../relay-store.ts'
import type { Client, RawRow } from './client.ts'
import { isNamed } from './fetch.ts'
import { FAR_FUTURE_SQL, NOW, STAGE } from './literals.ts'
import { slices } from './slices.ts'
import { type Sql, sql } from './sql.ts'
import { isLocked } from './store-error.ts'
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
 * `unpark` would send a later event of that key first. What somebody has locked, of these and of what waits,
 * stays for the next time, and is a head for what comes after it.
 *
 * Rows are found without a lock and updated by id: an update that searched by the work index would lock the gaps that
 * it passes, and inserts would wait.
 */
export function reconcile(client: Client, t: Tables) {
  const from = sql`FROM ${t.events} AS e FORCE INDEX (${t.index.work})`
  const waits = [STAGE.parked, STAGE.retrying]
  // The blocking keys are collected once, then each waiting row is looked up there.
  const free = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id, e.seq, e.lane, e.partition_key AS held, e.generation ${from}
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
SELECT e.id, e.seq, e.lane, e.partition_key AS held, e.generation ${from}
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

  const releasePlainly = async (ids: readonly string[], which: Sql): Promise<ReadonlySet<string>> => {
    for (const some of slices(ids)) {
      await client.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET available_at = NULL
WHERE id IN (${some}) AND stage IN (${waits}) AND ${which}`)
    }
    return new Set(ids)
  }

  /** Releases them but for those that somebody has locked, or changed meanwhile. Returns what was released. */
  const releaseAround = async (ids: readonly string[], which: Sql): Promise<ReadonlySet<string>> => {
    const released = new Set<string>()
    for (const some of slices(ids)) {
      await client.transaction(async (tx) => {
        const rows = await tx.query(sql`
SELECT id FROM ${t.events} FORCE INDEX (PRIMARY)
WHERE id IN (${some}) AND stage IN (${waits}) AND ${which} FOR UPDATE SKIP LOCKED`)
        if (rows.length === 0) return
        const free = rows.map((row) => String(row['id']))
        await tx.run(sql`UPDATE ${t.events} FORCE INDEX (PRIMARY) SET available_at = NULL WHERE id IN (${free})`)
        for (const id of free) released.add(id)
      })
    }
    return released
  }

  const run = async (names: readonly string[], lanes: readonly number[], release: typeof releasePlainly) => {
    // The heads first: one that is moved from here on is known as a head, and its lane looked at again when it comes.
    const rows = (await client.query(heads(names, lanes))).map((row) => ({
      ...headOf(row),
      retries: Number(row['stage']) === STAGE.retrying,
      due: Number(row['due']) / 1_000,
    }))
    const locked = new Map<string, Head>()
    for (const { find, which } of [
      { find: free, which: sql`available_at = ${FAR_FUTURE_SQL}` },
      { find: orphans, which: sql`available_at < ${FAR_FUTURE_SQL} AND status <> 'retry' AND scheduled_at <= ${NOW}` },
    ]) {
      for (;;) {
        const found = (await client.query(find(names, lanes))).map(headOf)
        const released = await release(
          found.map(({ stored }) => stored),
          which,
        )
        for (const head of found) if (!released.has(head.stored)) locked.set(head.stored, head)
        if (found.length < FOUND_AT_ONCE || released.size === 0) break
      }
    }
    const due = rows.filter((row) => row.retries && row.due <= 0)
    const released = await release(
      due.map(({ stored }) => stored),
      sql`available_at <= ${NOW}`,
    )
    return [
      ...rows
        .filter(({ stored }) => !released.has(stored))
        .map(({ retries, due: dueIn, ...head }) => heldHead(head, retries ? dueIn : null)),
      ...[...locked.values()].map((head) => heldHead(head, 0)),
    ]
  }
  const choose = aroundLocked<readonly HeldHead[]>(isLocked)

  return async (names: readonly string[], lanes: readonly number[]): Promise<readonly HeldHead[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    return choose(
      () => run(names, lanes, releasePlainly),
      () => run(names, lanes, releaseAround),
    )
  }
}

interface Head extends Omit<HeldHead, 'id' | 'dueIn'> {
  /** Its id as the table has it. */
  readonly stored: string
}

function headOf(row: RawRow): Head {
  return {
    stored: String(row['id']),
    seq: Number(row['seq']),
    lane: Number(row['lane']),
    partitionKey: String(row['held']),
    generation: Number(row['generation']),
  }
}

function heldHead({ stored, ...head }: Head, dueIn: number | null): HeldHead {
  return { id: fromSqlId(stored), ...head, dueIn }
}
