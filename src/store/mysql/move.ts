import { errorCause } from '../../record/error-cause.ts'
import type { AdminMove, AdminStore, Hold } from '../admin-store.ts'
import { holdOfRow, holdsBeside, laneKey } from '../coordination-rows.ts'
import { LONGEST_HOLD } from '../coordination-store.ts'
import { passable, stepTaken } from '../operation-store.ts'
import { NO_COPIES, storeCopies } from '../store-copies.ts'
import { fromSqlId, isUuid, toSqlDate, toSqlId } from '../values.ts'
import type { Client, RawRow, Runs } from './client.ts'
import { allOf } from './condition.ts'
import { areLanes, lockLanes, makeLanes, raiseAttention } from './coordination.ts'
import { comeInto } from './correct.ts'
import { lanesOf, PLACE, type Place, placeOf, placesOf } from './lanes-of-events.ts'
import { advance, isStepDue } from './operations.ts'
import { publish } from './publish.ts'
import { deleteById } from './purge.ts'
import { runOn } from './run-program.ts'
import { join, type Sql, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { BEFORE, keepForUndo, UNTOUCHED, undo, undoableOf } from './undo.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus, slices, UNSETTLED } from './values.ts'

/**
 * Asks the owners of the lanes in which these events wait to leave them alone. Without a hold the owner may be sending,
 * whatever it answered before: `quiet_for` is -n, and only answers beyond n count. It is set first: MySQL assigns from
 * left to right, and reads what it has assigned.
 */
export function hold(client: Client, t: Tables): AdminStore['hold'] {
  return (ids, duration) =>
    runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        const places = await placesOf(tx, t, ids.filter(isUuid).map(toSqlId), sql`status IN ${UNSETTLED}`)
        const lanes = await lanesOf(tx, t, places)
        if (lanes.length === 0) return []
        await lockLanes(tx, t, places)
        await tx.run(sql`
UPDATE ${t.lanes} SET quiet_for = CASE WHEN hold_until IS NULL THEN -hold ELSE quiet_for END, hold = hold + 1,
  hold_until = LEAST(GREATEST(COALESCE(hold_until, ${NOW}), ${nowPlus(duration)}), ${nowPlus(LONGEST_HOLD)})
WHERE ${areLanes(lanes)}`)
        const rows = await tx.query(sql`SELECT backend, lane, hold FROM ${t.lanes} WHERE ${areLanes(lanes)}`)
        return rows.map(holdOfRow)
      }),
    )
}

/** Ends holds that have not been renewed since. */
export async function lift(runs: Pick<Runs, 'run'>, t: Tables, holds: readonly Hold[]): Promise<void> {
  if (holds.length === 0) return
  const these = holds.map(
    ({ backend, lane, number }) => sql`(backend = ${backend} AND lane = ${lane} AND hold = ${number})`,
  )
  await runs.run(sql`
UPDATE ${t.lanes} SET hold_until = NULL WHERE ${areLanes(holds)} AND (${join(these, ' OR ')}) ORDER BY backend, lane`)
}

/** The lanes of these places whose live owner may be sending: it answered none of these holds, or it has lapsed. */
async function busyLanes(
  tx: Runs,
  t: Tables,
  places: readonly Place[],
  holds: readonly Hold[],
): Promise<readonly Omit<Hold, 'number'>[]> {
  const lanes = [...(await lanesOf(tx, t, places)), ...holds]
  if (lanes.length === 0) return []
  const rows = await tx.query(sql`
SELECT l.backend, l.lane, l.hold_until IS NOT NULL AS held, l.quiet_for FROM ${t.lanes} AS l
WHERE ${areLanes(lanes)} AND EXISTS (SELECT 1 FROM ${t.workers} AS w WHERE w.id = l.owner AND w.lease_until > ${NOW})`)
  const isAnswered = (row: RawRow): boolean => {
    const { backend, lane } = laneKey(row)
    const ours = holds.find((each) => each.backend === backend && each.lane === lane)
    return ours !== undefined && Number(row['held']) === 1 && Number(row['quiet_for']) >= ours.number
  }
  return rows.filter((row) => !isAnswered(row)).map(laneKey)
}

/** It only has to differ from the one before; plain SQL may have set it to the column's maximum. */
const NEXT_GENERATION = sql`CASE WHEN generation < 2147483647 THEN generation + 1 ELSE 0 END`
/** A failed event blocks its key, if it has one, until it is released. */
const BLOCKING = sql`CASE WHEN partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`
const AGAIN = sql`status = 'pending', retry_count = 0, scheduled_at = ${NOW}, available_at = NULL, updated_at = ${NOW}`

/** What a move writes. MySQL assigns from left to right, so a column is assigned after those that read it. */
function changesOf(move: Exclude<AdminMove, { kind: 'delete' | 'undo' }>, operation: number | undefined): Sql {
  switch (move.kind) {
    case 'requeue':
      return AGAIN
    case 'replay':
    case 'copy': {
      if (operation === undefined) return sql`${AGAIN}, published_at = NULL`
      // Extensions that plain SQL wrote as something other than an object stay as they are.
      return sql`${AGAIN}, published_at = NULL, extensions = CASE WHEN extensions IS NULL OR JSON_TYPE(extensions) = 'OBJECT'
  THEN JSON_SET(COALESCE(extensions, '{}'), '$.replay', ${operation}) ELSE extensions END`
    }
    case 'skip':
      return sql`available_at = NULL, updated_at = ${NOW}`
    case 'cancel':
      return sql`status = 'cancelled', available_at = NULL, updated_at = ${NOW}`
    case 'correct':
      // The new event's due time is read from here.
      return sql`scheduled_at = CASE WHEN status = 'pending' THEN scheduled_at ELSE ${NOW} END, status = 'cancelled',
  available_at = NULL, updated_at = ${NOW}`
    case 'markPublished':
      return sql`status = 'published', published_at = ${NOW}, available_at = NULL, updated_at = ${NOW}`
    case 'markFailed':
      return sql`status = 'failed', ${errorSet(move.error)}, available_at = ${BLOCKING}, updated_at = ${NOW}`
    case 'incrementRetry': {
      const due = nowPlus(move.delay)
      // Plain SQL may have set the count to the column's maximum.
      const counted = sql`GREATEST(retry_count, LEAST(retry_count + 1, 2147483647))`
      const exhausted = sql`(${counted} >= max_retries OR ${counted} >= 2147483647)`
      return sql`status = CASE WHEN ${exhausted} THEN 'failed' ELSE 'retry' END, ${errorSet(move.error)},
  scheduled_at = CASE WHEN ${exhausted} THEN scheduled_at ELSE ${due} END,
  available_at = CASE WHEN ${exhausted} THEN ${BLOCKING} ELSE ${due} END,
  retry_count = ${counted}, updated_at = ${NOW}`
    }
    case 'reschedule': {
      const at = sql`CAST(${toSqlDate(move.at)} AS DATETIME(6))`
      return sql`scheduled_at = ${at}, available_at = CASE WHEN ${at} > ${NOW} THEN ${at} END, updated_at = ${NOW}`
    }
  }
}

/** An error's text, and what is stored beside it. */
function errorSet(error: string): Sql {
  const { errorCode, errorFingerprint } = errorCause(error)
  return sql`last_error = ${error}, error_code = ${errorCode}, error_fingerprint = ${errorFingerprint}`
}

/** The statuses that each move starts from. */
const FROM: Readonly<Record<Exclude<AdminMove['kind'], 'delete'>, Sql>> = {
  requeue: sql`status IN ('failed', 'cancelled', 'retry')`,
  replay: sql`status = 'published'`,
  copy: sql`status IN ('published', 'failed', 'cancelled')`,
  skip: sql`status = 'failed'`,
  cancel: sql`status IN ('pending', 'retry', 'processing', 'failed')`,
  correct: sql`status IN ('pending', 'retry', 'processing', 'failed')`,
  markPublished: sql`status <> 'published'`,
  markFailed: sql`status IN ${UNSETTLED}`,
  incrementRetry: sql`status IN ${UNSETTLED}`,
  reschedule: sql`status IN ${UNSETTLED}`,
  undo: UNTOUCHED,
}

/** A worker may have it in flight, since it is not parked. */
const IN_HAND = sql`(status IN ${UNSETTLED} AND (available_at IS NULL OR available_at <= ${NOW}))`

function fromOf(move: AdminMove, operation: number | undefined): Sql {
  if (move.kind === 'delete') return move.published ? sql`TRUE` : sql`status <> 'published'`
  if (operation === undefined || (move.kind !== 'replay' && move.kind !== 'copy')) return FROM[move.kind]
  return sql`${FROM[move.kind]} AND COALESCE(JSON_UNQUOTE(JSON_EXTRACT(extensions, '$.replay')), '') <> ${String(operation)}`
}

/**
 * Applies an operator's move where the current status allows it and no worker can be sending the event, and tells the
 * lanes' owners. The lanes are locked first: a claim, or an answer to a hold, comes either before and is seen, or after
 * and sees what was moved. Lanes that no worker has made yet are made, so that there is something to lock.
 */
export function move(client: Client, t: Tables): AdminStore['move'] {
  const comeIntoPlace = comeInto(t)
  const publishing = publish(t)
  return async (ids, move, holds, { where = [], step, entry } = {}) => {
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        if (step && !(await isStepDue(tx, t, step))) return { moved: [], busy: [] }
        const copies = move.kind === 'copy' ? await runOn(tx, storeCopies(publishing, move.rows)) : NO_COPIES
        const these = move.kind === 'copy' ? [...copies.there.keys()] : ids.filter(isUuid)
        const wanted = [...new Set(these.map(toSqlId))].sort()
        const before = await placesOf(tx, t, wanted)
        await makeMissingLanes(tx, t, before)
        await lockLanes(tx, t, [...before, ...holds.map(({ backend, lane }) => ({ publisherBackend: backend, lane }))])
        const closed = await busyLanes(tx, t, before, holds)
        const moved: string[] = []
        const busy: string[] = []
        const places: Place[] = []
        for (const ids of slices(wanted)) {
          const found = await tx.query(sql`
SELECT e.id, ${PLACE}, ${IN_HAND} AS in_hand, ${BEFORE} FROM ${t.events} AS e FORCE INDEX (PRIMARY)
WHERE e.id IN (${ids}) AND ${fromOf(move, step?.id)} AND ${allOf(t, where)} FOR UPDATE`)
          const kept = move.kind === 'undo' ? await undoableOf(tx, t, move.entry, found) : undefined
          const rows = kept ? [...kept.keys()] : found
          const waiting = rows.filter((row) => isBusy(row, closed))
          busy.push(...waiting.map((row) => fromSqlId(row['id'])))
          const inOrder = wanted.map(fromSqlId)
          const within = new Set(inOrder.slice(0, step && passable(inOrder, busy, step)))
          // A column of MariaDB's type uuid returns an id in another form than that of the query.
          const free = rows.filter((row) => !isBusy(row, closed) && within.has(fromSqlId(row['id'])))
          if (free.length === 0) continue
          const these = free.map((row) => String(row['id']))
          await keepForUndo(tx, t, move, free, entry)
          if (move.kind === 'delete') await deleteById(tx, t, these)
          else if (move.kind === 'undo') {
            const before = free.map((row) => [String(row['id']), kept?.get(row) ?? row] as const)
            await undo(tx, t, move.entry, before)
          } else {
            await tx.run(sql`
UPDATE ${t.events} FORCE INDEX (PRIMARY) SET ${changesOf(move, step?.id)}, generation = ${NEXT_GENERATION}
WHERE id IN (${these})`)
          }
          if (move.kind === 'correct') for (const id of these) await comeIntoPlace(tx, id, move.row)
          moved.push(...these.map(fromSqlId))
          places.push(...free.map(placeOf))
        }
        await raiseAttention(tx, t, places)
        await lift(tx, t, holdsBeside(closed, holds))
        const done = [...copies.stored, ...moved.map((id) => copies.there.get(id) ?? id)]
        if (step === undefined) return { moved: done, busy }
        const inOrder = wanted.map(fromSqlId)
        const passed = passable(inOrder, busy, step)
        await advance(tx, t, [step.id, step.owner], stepTaken(inOrder, passed, done.length, step))
        return { moved: done, busy, passed }
      }),
    )
  }
}

async function makeMissingLanes(tx: Runs, t: Tables, places: readonly Place[]): Promise<void> {
  const backends = [...new Set(places.map(({ publisherBackend }) => publisherBackend))].filter((name) => name !== '')
  if (backends.length === 0) return
  const there = await tx.query(sql`SELECT DISTINCT backend FROM ${t.lanes} WHERE backend IN (${backends})`)
  const known = new Set(there.map((row) => String(row['backend'])))
  await makeLanes(
    tx,
    t,
    backends.filter((backend) => !known.has(backend)),
  )
}

function isBusy(row: RawRow, closed: readonly { readonly backend: string; readonly lane: number }[]): boolean {
  const { publisherBackend, lane } = placeOf(row)
  return (
    Number(row['in_hand']) === 1 &&
    closed.some((each) => each.lane === lane && (each.backend === publisherBackend || publisherBackend === ''))
  )
}
