import { randomUUID } from 'node:crypto'
import { laneKey, laneOfRow } from '../coordination-rows.ts'
import {
  type CoordinationStore,
  type LaneRow,
  LONGEST_HOLD,
  LONGEST_LEASE,
  type PauseRow,
  type Survey,
} from '../coordination-store.ts'
import { breakers, destinations } from './breakers.ts'
import type { Client, RawRow, Runs } from './client.ts'
import { duties } from './duties.ts'
import { lanesOf, type Place } from './lanes-of-events.ts'
import { join, Sql, sql, utf8 } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { rates } from './take-permits.ts'
import { NOW, nowPlus } from './values.ts'

/**
 * Workers, their leases and the lanes that they own, and the breakers. It is one protocol: everything that locks lanes uses
 * `areLanes`, in one order, and only side by side can it be seen that no two deadlock.
 */
export function coordination(client: Client, t: Tables): CoordinationStore {
  return {
    /**
     * Adds a worker, and those lanes of its backends that do not exist yet. A transient one is listed with no backends.
     */
    async enter({ name, backends, lease, transient = false, version }) {
      await makeLanes(client, t, backends)
      const id = randomUUID()
      await client.run(sql`
INSERT INTO ${t.workers} (id, name, backends, entered_at, lease_until, version)
VALUES (${id}, ${name}, ${JSON.stringify(transient ? [] : backends)}, ${NOW}, ${nowPlus(lease)}, ${version ?? null})`)
      return id
    },
    /**
     * Extends a lease that has not ended. The row is locked first: `UTC_TIMESTAMP` is the time when the statement
     * began, and one that waited for the lock could extend a lease that had ended by then.
     */
    renew(workerId, lease) {
      return runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          await tx.query(sql`SELECT id FROM ${t.workers} WHERE id = ${workerId} FOR UPDATE`)
          const extended = await tx.run(sql`
UPDATE ${t.workers} SET lease_until = ${nowPlus(lease)} WHERE id = ${workerId} AND lease_until > ${NOW}`)
          return extended === 1
        }),
      )
    },
    ...survey(client, t),
    /**
     * Takes lanes whose fence is still the one seen: compare and set. The rows are locked in one order, so that two
     * workers that claim the same lanes do not wait for each other in a circle; the second then sees the new fence and
     * leaves the lane. A worker whose own lease has ended by then gets nothing.
     */
    async claim(workerId, lanes) {
      if (lanes.length === 0) return []
      return runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          const rows = await tx.query(sql`
SELECT ${LANE} FROM ${t.lanes} FORCE INDEX (PRIMARY)
WHERE ${areLanes(lanes)} ORDER BY backend, lane FOR UPDATE`)
          const seen = new Map(lanes.map((lane) => [nameOf(lane), lane.fence]))
          const free = rows
            .map((row): LaneRow => ({ ...laneOf(row), owner: workerId }))
            .filter((lane) => seen.get(nameOf(lane)) === lane.fence)
          const alive = await tx.query(sql`
SELECT id FROM ${t.workers} WHERE id = ${workerId} AND lease_until > ${NOW} LOCK IN SHARE MODE`)
          if (free.length === 0 || alive.length === 0) return []
          await tx.run(sql`UPDATE ${t.lanes} SET owner = ${workerId}, fence = fence + 1 WHERE ${areLanes(free)}`)
          return free.map((lane) => ({ ...lane, fence: lane.fence + 1 }))
        }),
      )
    },
    /**
     * Answers holds on lanes that are still ours, under a new fence; ends a hold whose time is over. It waits for an
     * operator who is moving events there, so a lane that it returns without a hold shows the result of that.
     */
    async quiet(workerId, lanes) {
      if (lanes.length === 0) return []
      return runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          const rows = await tx.query(sql`
SELECT backend, lane, owner, fence FROM ${t.lanes} FORCE INDEX (PRIMARY)
WHERE ${areLanes(lanes)} ORDER BY backend, lane FOR UPDATE`)
          const ours = lanes.filter((lane) =>
            rows.some(
              (row) =>
                String(row['backend']) === lane.backend &&
                Number(row['lane']) === lane.lane &&
                Number(row['fence']) === lane.fence &&
                row['owner'] === workerId,
            ),
          )
          if (ours.length === 0) return []
          for (const [hold, some] of Map.groupBy(ours, (lane) => lane.hold)) {
            await tx.run(sql`
UPDATE ${t.lanes} SET quiet_for = CASE WHEN ${hold} > ABS(quiet_for) THEN ${hold} ELSE quiet_for END, fence = fence + 1,
  hold_until = CASE WHEN hold_until > ${NOW} AND hold_until <= ${nowPlus(LONGEST_HOLD)} THEN hold_until END
WHERE ${areLanes(some)}`)
          }
          return (await tx.query(sql`SELECT ${LANE} FROM ${t.lanes} WHERE ${areLanes(ours)}`)).map(laneOf)
        }),
      )
    },
    /** Gives lanes back where the fence is still ours, in the order in which all lock them. */
    async release(workerId, lanes) {
      if (lanes.length === 0) return
      const held = lanes.map(
        ({ backend, lane, fence }) => sql`(backend = ${backend} AND lane = ${lane} AND fence = ${fence})`,
      )
      await client.run(sql`
UPDATE ${t.lanes} SET owner = NULL WHERE owner = ${workerId} AND (${join(held, ' OR ')}) ORDER BY backend, lane`)
    },
    /** Gives all lanes of a worker back and removes it: a clean end. */
    leave(workerId) {
      return runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          // Found without a lock: a locking search by owner would lock every lane that it reads.
          const rows = await tx.query(sql`SELECT backend, lane FROM ${t.lanes} WHERE owner = ${workerId}`)
          const ours = rows.map(laneKey)
          if (ours.length > 0) {
            await tx.run(sql`
UPDATE ${t.lanes} SET owner = NULL WHERE ${areLanes(ours)} AND owner = ${workerId} ORDER BY backend, lane`)
          }
          await tx.run(sql`DELETE FROM ${t.workers} WHERE id = ${workerId}`)
        }),
      )
    },
    breakers: breakers(client, t),
    destinations: destinations(client, t),
    rates: rates(client, t),
    duties: duties(client, t),
  }
}

/** For how long a lane is still held, in microseconds. */
const HOLD_LEFT: Sql = sql`CASE WHEN hold_until <= ${nowPlus(LONGEST_HOLD)}
    THEN TIMESTAMPDIFF(MICROSECOND, ${NOW}, hold_until) WHEN hold_until IS NOT NULL THEN 0 END`

const LANE: Sql = sql`backend, lane, owner, fence, attention, hold, quiet_for,
  ${HOLD_LEFT} AS hold_left`

function laneOf(row: RawRow): LaneRow {
  return laneOfRow(row, row['hold_left'] === null ? null : Number(row['hold_left']) / 1_000)
}

/** Rows of the lanes table by their primary key, as a range for each backend. At least one lane. */
export function areLanes(lanes: readonly Pick<LaneRow, 'backend' | 'lane'>[]): Sql {
  const numbers = new Map<string, number[]>()
  for (const { backend, lane } of lanes) numbers.set(backend, [...(numbers.get(backend) ?? []), lane])
  const parts = [...numbers].map(([backend, some]) => sql`(backend = ${backend} AND lane IN (${some}))`)
  return sql`(${join(parts, ' OR ')})`
}

/**
 * Removes workers whose lease has ended, then reads workers, lanes and breakers.
 *
 * One statement, one snapshot: with two, a worker that enters and takes a lane in between would look like a dead owner,
 * and its lane would be stolen. The lanes of a removed worker keep its id: they ended uncleanly. Most surveys find no
 * worker to remove, and write nothing.
 */
export function survey(client: Runs, t: Tables): Pick<CoordinationStore, 'survey' | 'look'> {
  const read = (backends: readonly string[]) => {
    // An empty IN () is not SQL; no backend has this name.
    const names = backends.length > 0 ? backends : [null]
    return client.query(sql`
SELECT 'worker' AS kind, id AS name, ${utf8(new Sql('name'))} AS label, ${utf8(new Sql('backends'))} AS text, lease_until <= ${NOW} AS number,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, lease_until) AS fence, NULL AS attention,
  NULL AS hold, NULL AS quiet_for, NULL AS hold_left, version
FROM ${t.workers}
UNION ALL
SELECT 'lane', backend, owner, NULL, lane, fence, attention,
  hold, quiet_for, ${HOLD_LEFT}, NULL
FROM ${t.lanes} WHERE backend IN (${names})
UNION ALL
SELECT 'breaker', backend, NULL, ${utf8(new Sql('error'))}, open,
  TIMESTAMPDIFF(MICROSECOND, ${NOW}, probe_at), GREATEST(TIMESTAMPDIFF(MICROSECOND, since, ${NOW}), 0), NULL, NULL, NULL, NULL
FROM ${t.breakers} WHERE backend IN (${names})
UNION ALL
SELECT 'pause', backend, ${utf8(new Sql('paused_by'))}, ${utf8(new Sql('pause_reason'))}, NULL,
  GREATEST(TIMESTAMPDIFF(MICROSECOND, paused_at, ${NOW}), 0), NULL, NULL, NULL, NULL, NULL
FROM ${t.breakers} WHERE backend IN (${names}) AND paused_at IS NOT NULL`)
  }

  return {
    async survey(backends) {
      const rows = await read(backends)
      const workers = rows.filter((row) => row['kind'] === 'worker')
      const ended = workers.filter((row) => Number(row['number']) === 1)
      const ahead = workers.filter((row) => Number(row['fence']) > LONGEST_LEASE * 1_000)
      if (ahead.length > 0) {
        await client.run(sql`
UPDATE ${t.workers} SET lease_until = ${nowPlus(LONGEST_LEASE)}
WHERE id IN (${ahead.map(idOf)}) AND lease_until > ${nowPlus(LONGEST_LEASE)} ORDER BY id`)
      }
      if (ended.length === 0) return surveyOf(rows)
      await client.run(sql`
DELETE FROM ${t.workers} WHERE id IN (${ended.map(idOf)}) AND lease_until <= ${NOW}`)
      return surveyOf(await read(backends))
    },
    look: async (backends) => surveyOf(await read(backends)),
  }
}

function idOf(row: RawRow): string {
  return String(row['name'])
}

function surveyOf(rows: readonly RawRow[]): Survey {
  const of = (kind: string): readonly RawRow[] => rows.filter((row) => row['kind'] === kind)
  const pauses = new Map(of('pause').map((row) => [String(row['name']), pauseOf(row)]))
  return {
    workers: of('worker')
      .filter((row) => Number(row['number']) === 0)
      .map((row) => ({
        id: String(row['name']),
        name: String(row['label']),
        backends: JSON.parse(String(row['text'])) as readonly string[],
        leaseLeft: Math.min(LONGEST_LEASE, Number(row['fence']) / 1_000),
        version: row['version'] == null ? null : String(row['version']),
      })),
    lanes: of('lane').map((row) => laneOf({ ...row, backend: row['name'], lane: row['number'], owner: row['label'] })),
    breakers: of('breaker').map((row) => ({
      backend: String(row['name']),
      open: Number(row['number']) === 1,
      probeIn: Number(row['fence']) / 1_000,
      since: Number(row['attention']) / 1_000,
      error: String(row['text']),
      paused: pauses.get(String(row['name'])) ?? null,
    })),
  }
}

function pauseOf(row: RawRow): PauseRow {
  return { by: String(row['label']), reason: String(row['text']), since: Number(row['fence']) / 1_000 }
}

/**
 * Makes those lanes of these backends that do not exist yet, in one order, so that two concurrent calls cannot
 * deadlock.
 */
export async function makeLanes(runs: Runs, t: Tables, backends: readonly string[]): Promise<void> {
  if (backends.length === 0) return
  const [settings] = await runs.query(sql`SELECT lanes FROM ${t.settings}`)
  const count = Number(settings?.['lanes'] ?? 0)
  // Looked up first: an insert of an existing lane would lock it, and wait for a settle in it.
  const there = await runs.query(sql`
SELECT backend, COUNT(*) AS lanes FROM ${t.lanes} WHERE backend IN (${backends}) GROUP BY backend`)
  const made = new Map(there.map((row) => [String(row['backend']), Number(row['lanes'])]))
  const rows = backends
    .filter((backend) => made.get(backend) !== count)
    .toSorted()
    .flatMap((backend) => Array.from({ length: count }, (_, lane) => sql`(${backend}, ${lane})`))
  if (rows.length === 0) return
  await runs.run(sql`
INSERT INTO ${t.lanes} (backend, lane) VALUES ${join(rows, ', ')} ON DUPLICATE KEY UPDATE lane = VALUES(lane)`)
}

function nameOf({ backend, lane }: LaneRow): string {
  return `${lane} ${backend}`
}

/**
 * Locks the lanes of events that are about to be changed, before the events, as a settle does. By the primary key, and
 * selecting a column beyond it: a search that passes other lanes would wait for their holders.
 */
export async function lockLanes(tx: Runs, t: Tables, places: readonly Place[]): Promise<void> {
  const lanes = await lanesOf(tx, t, places)
  if (lanes.length === 0) return
  await tx.query(sql`
SELECT lane, fence FROM ${t.lanes} FORCE INDEX (PRIMARY) WHERE ${areLanes(lanes)} ORDER BY backend, lane FOR UPDATE`)
}

/** Makes the owners of these events' lanes reconcile and sweep. */
export async function raiseAttention(tx: Runs, t: Tables, places: readonly Place[]): Promise<void> {
  const lanes = await lanesOf(tx, t, places)
  if (lanes.length > 0) await tx.run(sql`UPDATE ${t.lanes} SET attention = attention + 1 WHERE ${areLanes(lanes)}`)
}
