import { aroundLocked } from '../locked-rows.ts'
import { CLOCK_AHEAD, type HeldHead, LONGEST_PARKING } from '../relay-store.ts'
import { fromSqlId } from '../values.ts'
import type { Client, RawRow } from './client.ts'
import { isNamed } from './fetch.ts'
import { Sql, sql, utf8 } from './sql.ts'
import { isLocked } from './store-error.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus, STAGE, slices } from './values.ts'

/**
 * How many rows are looked for at once; each time, those that wait behind a blocked key are passed again. They are
 * released in slices: a key with a million events behind it must not cause a transaction of a minute.
 */
const FOUND_AT_ONCE = 20_000

/**
 * The exact text that a fetch reads, whatever the connection's character set: by it a head holds what comes after it.
 */
const HELD = utf8(new Sql('e.partition_key'))

/**
 * Waiting rows are looked up among the held keys by this, not by the key: MariaDB makes no index of more than 1,000
 * bytes on a derived table, and compared each with each (15,000 with 3,000: 5 to 8 s; by the digest 0.1 s).
 */
const DIGEST = new Sql(`SHA2(${HELD.text}, 256)`)

/**
 * Releases what waits behind keys that no failed event blocks any longer, and returns the heads that hold their key. A
 * relay calls it before it reads lanes that it has just taken, so nothing in them is fetched in between.
 *
 * It also unparks retries that are due: otherwise a relay that fetches before its first `unpark` would send a later
 * event of that key first. Locked rows stay for the next time, and count as heads for what comes after them.
 *
 * After the clock was set back, what was written before lies too far in the future: a retry waits for its delay from
 * now, and what is parked for longer than the event that it waits for is released, to be parked again.
 *
 * Rows are found without a lock and updated by id: an update that searched by the work index would lock the gaps that
 * it passes, and make inserts wait.
 */
export function reconcile(client: Client, t: Tables) {
  const from = sql`FROM ${t.events} AS e FORCE INDEX (${t.index.work})`
  const waits = [STAGE.parked, STAGE.retrying]
  // The blocking keys are collected once, then each waiting row is looked up there.
  const free = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id, e.seq, e.lane, ${HELD} AS held, e.generation ${from}
LEFT JOIN (
  SELECT DISTINCT e.lane, ${DIGEST} AS digest ${from}
  WHERE ${isNamed(names)} AND e.stage = ${STAGE.failed} AND e.lane IN (${lanes})
    AND e.available_at IS NOT NULL AND e.partition_key IS NOT NULL
) AS blocked ON blocked.lane = e.lane AND blocked.digest = ${DIGEST}
WHERE ${isNamed(names)} AND e.stage IN (${waits}) AND e.lane IN (${lanes}) AND e.available_at = ${FAR_FUTURE_SQL}
  AND blocked.lane IS NULL
LIMIT ${FOUND_AT_ONCE}`

  // Parked behind an event between retries that is gone, or parked for longer than that event. One without a key waits
  // for a destination that is down, for a while.
  const isOwnTimeOver = sql`(scheduled_at <= ${NOW} OR scheduled_at <= GREATEST(created_at, updated_at))`
  const orphans = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id, e.seq, e.lane, ${HELD} AS held, e.generation ${from}
LEFT JOIN (
  SELECT e.publisher_backend, e.lane, ${DIGEST} AS digest, MAX(e.available_at) AS until ${from}
  WHERE ${isNamed(names)} AND e.stage IN (${[STAGE.retrying, STAGE.failed]}) AND e.lane IN (${lanes})
    AND e.available_at > ${NOW} AND e.partition_key IS NOT NULL
  GROUP BY e.publisher_backend, e.lane, digest
) AS held ON held.publisher_backend = e.publisher_backend AND held.lane = e.lane AND held.digest = ${DIGEST}
WHERE ${isNamed(names)} AND e.stage = ${STAGE.parked} AND e.lane IN (${lanes})
  AND e.available_at > ${NOW} AND e.available_at < ${FAR_FUTURE_SQL}
  AND ${isOwnTimeOver} AND CASE WHEN e.partition_key IS NULL THEN e.available_at > ${nowPlus(LONGEST_PARKING)}
    ELSE held.lane IS NULL OR held.until < e.available_at END
LIMIT ${FOUND_AT_ONCE}`

  const isAhead = sql`updated_at > ${nowPlus(CLOCK_AHEAD)} AND available_at > ${NOW}`
  const heads = (names: readonly string[], lanes: readonly number[]): Sql => sql`
SELECT e.id, e.seq, e.lane, e.stage, ${HELD} AS held, e.generation,
  ${isAhead} AS ahead,
  TIMESTAMPDIFF(MICROSECOND, CASE WHEN ${isAhead} THEN e.updated_at ELSE ${NOW} END, e.available_at) AS due ${from}
WHERE ${isNamed(names)} AND e.stage IN (${[STAGE.retrying, STAGE.failed]}) AND e.lane IN (${lanes})
  AND e.available_at IS NOT NULL AND (e.partition_key IS NOT NULL OR (e.stage = ${STAGE.retrying} AND ${isAhead}))
ORDER BY e.seq`

  // As in `unpark`.
  const goes = sql`available_at = NULL, updated_at = GREATEST(updated_at, ${NOW})`
  const fromNow = sql`${NOW} + INTERVAL TIMESTAMPDIFF(MICROSECOND, updated_at, available_at) MICROSECOND`
  // MySQL assigns in order: each expression reads columns that have not changed yet.
  const waitsFromNow = sql`scheduled_at = ${fromNow}, available_at = ${fromNow}, updated_at = ${NOW}`

  const hotOf = async (ids: readonly string[]): Promise<readonly string[]> => {
    const rows = await client.query(sql`
SELECT id FROM ${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${ids}) AND stage = ${STAGE.hot}`)
    return rows.map((row) => String(row['id']))
  }

  /**
   * Changes rows, except those that others changed meanwhile. Returns the ids changed; for a release, those now free.
   */
  const changePlainly = async (ids: readonly string[], which: Sql, what: Sql): Promise<ReadonlySet<string>> => {
    const changed = new Set<string>()
    for (const some of slices(ids)) {
      const count = await client.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET ${what}
WHERE id IN (${some}) AND stage IN (${waits}) AND ${which}`)
      // Usually all: asking first which they are would read each row twice.
      for (const id of count === some.length ? some : await hotOf(some)) changed.add(id)
    }
    return changed
  }

  /** The same, also except those that are locked. */
  const changeAround = async (ids: readonly string[], which: Sql, what: Sql): Promise<ReadonlySet<string>> => {
    const changed = new Set<string>()
    for (const some of slices(ids)) {
      await client.transaction(async (tx) => {
        const rows = await tx.query(sql`
SELECT id FROM ${t.events} FORCE INDEX (PRIMARY)
WHERE id IN (${some}) AND stage IN (${waits}) AND ${which} FOR UPDATE SKIP LOCKED`)
        if (rows.length === 0) return
        const free = rows.map((row) => String(row['id']))
        await tx.run(sql`UPDATE ${t.events} FORCE INDEX (PRIMARY) SET ${what} WHERE id IN (${free})`)
        for (const id of free) changed.add(id)
      })
    }
    return changed
  }

  const run = async (names: readonly string[], lanes: readonly number[], change: typeof changePlainly) => {
    // The heads first: one that is moved from here on is then known as a head, and its lane is reconciled again when it
    // comes.
    const rows = (await client.query(heads(names, lanes))).map((row) => ({
      ...headOf(row),
      ahead: Number(row['ahead']) === 1,
      retries: Number(row['stage']) === STAGE.retrying,
      due: Number(row['due']) / 1_000,
    }))
    // Before rows that wait behind them are compared with them.
    await change(
      rows.filter(({ retries, ahead }) => retries && ahead).map(({ stored }) => stored),
      isAhead,
      waitsFromNow,
    )
    const locked = new Map<string, KeyedHead>()
    for (const { find, which } of [
      { find: free, which: sql`available_at = ${FAR_FUTURE_SQL}` },
      { find: orphans, which: sql`available_at < ${FAR_FUTURE_SQL} AND status <> 'retry' AND ${isOwnTimeOver}` },
    ]) {
      for (;;) {
        const found = (await client.query(find(names, lanes))).map(headOf)
        const released = await change(
          found.map(({ stored }) => stored),
          which,
          goes,
        )
        for (const head of found) if (!released.has(head.stored) && isKeyed(head)) locked.set(head.stored, head)
        for (const id of released) locked.delete(id)
        if (found.length < FOUND_AT_ONCE || released.size === 0) break
      }
    }
    const due = rows.filter((row) => row.retries && row.due <= 0)
    const released = await change(
      due.map(({ stored }) => stored),
      sql`available_at <= ${NOW}`,
      goes,
    )
    return [
      ...rows
        .filter(({ stored }) => !released.has(stored))
        .filter(isKeyed)
        .map(({ retries, ahead, due: dueIn, ...head }) => heldHead(head, retries ? dueIn : null)),
      ...[...locked.values()].map((head) => heldHead(head, 0)),
    ]
  }
  const choose = aroundLocked<readonly HeldHead[]>(isLocked)

  return async (names: readonly string[], lanes: readonly number[]): Promise<readonly HeldHead[]> => {
    if (lanes.length === 0 || names.length === 0) return []
    return choose(
      () => run(names, lanes, changePlainly),
      () => run(names, lanes, changeAround),
    )
  }
}

interface Head extends Omit<HeldHead, 'id' | 'dueIn' | 'partitionKey'> {
  readonly partitionKey: string | null
  /** Its id as stored. */
  readonly stored: string
}

function headOf(row: RawRow): Head {
  return {
    stored: String(row['id']),
    seq: Number(row['seq']),
    lane: Number(row['lane']),
    partitionKey: row['held'] === null ? null : String(row['held']),
    generation: Number(row['generation']),
  }
}

type KeyedHead = Head & Pick<HeldHead, 'partitionKey'>

function isKeyed<H extends Head>(head: H): head is H & KeyedHead {
  return head.partitionKey !== null
}

function heldHead({ stored, ...head }: KeyedHead, dueIn: number | null): HeldHead {
  return { id: fromSqlId(stored), ...head, dueIn }
}
