import { errorCause } from '../../record/error-cause.ts'
import { aroundLocked } from '../locked-rows.ts'
import type { Outcome, Ownership, SettleReport } from '../relay-store.ts'
import { fromSqlId, isUuid, toSqlId } from '../values.ts'
import type { Client, Runs } from './client.ts'
import { hexText, join, Sql, type SqlValue, sql, utf8 } from './sql.ts'
import { isLocked, runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus, STAGE, slices } from './values.ts'

type Kind = Outcome['kind']
type Of<K extends Kind> = Extract<Outcome, { kind: K }>

const UNSETTLED_STAGES = [STAGE.hot, STAGE.parked, STAGE.retrying]

/** Not all could be recorded: another transaction finds out which. */
class SomeLostError extends Error {
  override readonly name = 'SomeLostError'
}

/**
 * Records the outcomes of events, in one transaction: one statement for each kind that occurs, by id. Lanes and rows
 * are locked in one order, so that two settles and a claim do not wait for each other in a circle.
 */
export function settle(client: Client, t: Tables) {
  const record = recordOn(t)
  const choose = aroundLocked<SettleReport>(isLocked)

  /** The usual batch, all delivered: one statement, whose count says that none is lost. */
  const allPublished = async (outcomes: readonly Of<'published'>[]): Promise<SettleReport> => {
    const groups = Map.groupBy(outcomes, ({ generation, erase = false }) => `${generation} ${erase}`)
    await client.transaction(async (tx) => {
      for (const group of groups.values()) {
        const { generation = 0, erase } = group[0] ?? {}
        for (const some of slices(group.map(({ id }) => toSqlId(id)).sort())) {
          const rows = sql`id IN (${some}) AND generation = ${generation} AND ${MAY_BE_PUBLISHED}`
          const recorded = await tx.run(
            erase === true
              ? sql`DELETE e FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE ${rows}`
              : sql`UPDATE ${t.events} FORCE INDEX (PRIMARY) SET ${PUBLISHED} WHERE ${rows}`,
          )
          if (recorded < some.length) throw new SomeLostError()
        }
      }
    })
    return { lost: [], busy: [] }
  }

  return async (ownership: Ownership, outcomes: readonly Outcome[]): Promise<SettleReport> => {
    if (outcomes.length === 0) return { lost: [], busy: [] }
    const plainly = (): Promise<SettleReport> =>
      runAgainOnConflict(async () => {
        if (outcomes.every(isPlain)) {
          try {
            return await allPublished(outcomes)
          } catch (error) {
            if (!(error instanceof SomeLostError)) throw error
          }
        }
        return client.transaction((tx) => record(tx, ownership, outcomes, WAIT))
      })
    const around = (): Promise<SettleReport> =>
      runAgainOnConflict(() => client.transaction((tx) => record(tx, ownership, outcomes, SKIP_LOCKED)))
    return choose(plainly, around)
  }
}

/** It was published whatever became of the lease, unless an operator cancelled it. */
const MAY_BE_PUBLISHED = sql`status NOT IN ('published', 'cancelled')`
const PUBLISHED = sql`status = 'published', published_at = ${NOW}, updated_at = ${NOW}, available_at = NULL`

/** What a locking read does about locked rows. */
const WAIT = sql``
const SKIP_LOCKED = sql`SKIP LOCKED`

function isPlain(outcome: Outcome): outcome is Of<'published'> {
  return (
    outcome.kind === 'published' &&
    (outcome.erase === true || (outcome.progress === undefined && outcome.retryCount === undefined)) &&
    isUuid(outcome.id)
  )
}

/** Records outcomes on an open transaction: those of lanes that are still ours, and `published` whatever the lease. */
function recordOn(t: Tables) {
  const lockOwned = ownedLanes(t)
  const lockRows = lockedIds(t)

  return async (tx: Runs, ownership: Ownership, outcomes: readonly Outcome[], wait: Sql): Promise<SettleReport> => {
    const guarded = outcomes.filter(({ kind }) => kind !== 'published')
    const owned = await lockOwned(tx, ownership, guarded)
    const mine = outcomes.filter(({ kind, id, lane }) => isUuid(id) && (kind === 'published' || owned.has(lane)))
    const there = await lockRows(tx, mine, wait)
    const busy = wait === WAIT ? [] : await lockedByOthers(tx, t, mine, there)
    const left = mine.filter((outcome) => there.has(outcome.id) && mayRecord(outcome, there.get(outcome.id)))
    const worker = left.some(({ kind }) => kind === 'retry' || kind === 'failed')
      ? await workerName(tx, t, ownership.workerId)
      : ''
    // `park` last: what is parked behind a head takes the time that this settle gives the head.
    await erase(tx, t, left.filter(isErased))
    for (const kind of ['published', 'sending', 'returned', 'retry', 'failed', 'park'] as const) {
      for (const some of slices(left.filter((outcome) => outcome.kind === kind && !isErased(outcome)))) {
        await tx.run(await updateOf(tx, t, kind, some, worker))
      }
    }
    const known = new Set([...left.map(({ id }) => id), ...busy])
    return { lost: outcomes.flatMap(({ id }) => (known.has(id) ? [] : [id])), busy }
  }
}

function isErased(outcome: Outcome): boolean {
  return outcome.kind === 'published' && outcome.erase === true
}

/** Deletes rows, already locked, instead of keeping them as published. */
async function erase(tx: Runs, t: Tables, outcomes: readonly Outcome[]): Promise<void> {
  for (const ids of slices(outcomes.map(({ id }) => toSqlId(id))))
    await tx.run(sql`DELETE e FROM ${t.events} AS e FORCE INDEX (PRIMARY) WHERE id IN (${ids})`)
}

interface Found {
  readonly lane: number
  readonly generation: number
  readonly unsettled: boolean
  readonly hot: boolean
}

function mayRecord(outcome: Outcome, found: Found | undefined): boolean {
  if (found === undefined || found.generation !== outcome.generation) return false
  // A parked event is not in flight: such an outcome came late, and would hide a head from reconcile.
  if ((outcome.kind === 'sending' || outcome.kind === 'returned') && !found.hot) return false
  return outcome.kind === 'published' || (found.unsettled && found.lane === outcome.lane)
}

/** The lanes that are still ours, locked so that none is taken before this commits; in lane order. */
function ownedLanes(t: Tables) {
  return async (tx: Runs, { backend, workerId, fences }: Ownership, outcomes: readonly Outcome[]) => {
    const lanes = [...new Set(outcomes.map(({ lane }) => lane))].filter((lane) => fences.has(lane))
    if (lanes.length === 0) return new Set<number>()
    const rows = await tx.query(sql`
SELECT lane, fence FROM ${t.lanes} FORCE INDEX (PRIMARY)
WHERE backend = ${backend} AND lane IN (${lanes}) AND owner = ${workerId}
ORDER BY lane LOCK IN SHARE MODE`)
    const owned = rows.map((row) => ({ lane: Number(row['lane']), fence: Number(row['fence']) }))
    return new Set(owned.filter(({ lane, fence }) => fences.get(lane) === fence).map(({ lane }) => lane))
  }
}

/** The current rows, locked in the order of their ids, without those already published or cancelled. */
function lockedIds(t: Tables) {
  return async (tx: Runs, outcomes: readonly Outcome[], wait: Sql): Promise<ReadonlyMap<string, Found>> => {
    const found = new Map<string, Found>()
    for (const ids of slices(outcomes.map(({ id }) => toSqlId(id)).sort())) {
      const rows = await tx.query(sql`
SELECT id, lane, generation, stage FROM ${t.events} FORCE INDEX (PRIMARY)
WHERE id IN (${ids}) AND ${MAY_BE_PUBLISHED} FOR UPDATE ${wait}`)
      for (const row of rows) {
        const unsettled = row['stage'] !== null && Number(row['stage']) !== STAGE.failed
        const [lane, generation] = [Number(row['lane']), Number(row['generation'])]
        const hot = Number(row['stage']) === STAGE.hot
        found.set(fromSqlId(row['id']), { lane, generation, unsettled, hot })
      }
    }
    return found
  }
}

/** Rows that others have locked and whose outcome may still be recorded. */
async function lockedByOthers(
  tx: Runs,
  t: Tables,
  outcomes: readonly Outcome[],
  free: ReadonlyMap<string, Found>,
): Promise<readonly string[]> {
  const busy: string[] = []
  for (const ids of slices(outcomes.filter(({ id }) => !free.has(id)).map(({ id }) => toSqlId(id)))) {
    const rows = await tx.query(sql`
SELECT id FROM ${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${ids}) AND ${MAY_BE_PUBLISHED}`)
    for (const row of rows) busy.push(fromSqlId(row['id']))
  }
  return busy
}

async function workerName(tx: Runs, t: Tables, id: string): Promise<string> {
  const [row] = await tx.query(sql`SELECT ${utf8(new Sql('name'))} AS name FROM ${t.workers} WHERE id = ${id}`)
  return row === undefined ? id : String(row['name'])
}

/** One statement for all outcomes of a kind: in it they are a table `o`, joined by the primary key. */
async function updateOf(tx: Runs, t: Tables, kind: Kind, some: readonly Outcome[], worker: string): Promise<Sql> {
  const behind = kind === 'park' ? await heads(tx, t, some) : new Map<string, Sql>()
  const rows = some.map(
    (outcome) => sql`SELECT _ascii${new Sql(`'${toSqlId(outcome.id)}'`)} AS id, ${columnsOf(outcome, behind)}`,
  )
  return sql`
UPDATE (${join(rows, '\nUNION ALL ')}) AS o STRAIGHT_JOIN ${t.events} AS e FORCE INDEX (PRIMARY) ON e.id = o.id
SET ${SET[kind](worker)}`
}

const HISTORY = (worker: string): Sql => sql`JSON_ARRAY_APPEND(
    CASE WHEN e.attempts IS NULL OR NOT JSON_VALID(e.attempts) THEN '[]' WHEN JSON_TYPE(e.attempts) <> 'ARRAY' THEN '[]'
      WHEN JSON_LENGTH(e.attempts) >= 10 THEN JSON_REMOVE(e.attempts, '$[0]') ELSE e.attempts END,
    '$', JSON_OBJECT('at', CONVERT(CONCAT(REPLACE(CAST(UTC_TIMESTAMP(3) AS CHAR), ' ', 'T'), 'Z') USING utf8mb4), 'worker', ${hexText(worker)},
      'error', LEFT(o.error, 2000)))`

const ATTEMPTED = sql`e.last_error = o.error, e.error_code = o.code, e.error_fingerprint = o.fingerprint,
  e.progress = COALESCE(o.progress, e.progress),
  e.retry_count = o.retries, e.updated_at = ${NOW}`

const SET: { readonly [K in Kind]: (worker: string) => Sql } = {
  published: () => sql`e.status = 'published', e.published_at = ${NOW}, e.updated_at = ${NOW}, e.available_at = NULL,
  e.progress = COALESCE(o.progress, e.progress), e.retry_count = COALESCE(o.retries, e.retry_count)`,
  // The history first: it reads columns that are assigned after it.
  retry: (worker) => sql`e.attempts = CASE WHEN e.retry_count = o.retries AND e.status <> 'processing' THEN e.attempts
    ELSE ${HISTORY(worker)} END,
  e.status = 'retry', e.scheduled_at = o.at, e.available_at = o.at, ${ATTEMPTED}`,
  failed: (worker) => sql`e.attempts = ${HISTORY(worker)}, e.status = 'failed', ${ATTEMPTED},
  e.available_at = CASE WHEN o.blocks AND e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`,
  park: () => sql`e.available_at = o.at`,
  // The event is as due as before; after the clock was set back only `updated_at` says so (see `fetch`).
  sending: () => sql`e.status = 'processing', e.retry_count = o.retries, e.updated_at = GREATEST(e.updated_at, ${NOW})`,
  returned: () => sql`e.status = CASE WHEN o.retries > 0 THEN 'retry' ELSE 'pending' END, e.retry_count = o.retries,
  e.updated_at = GREATEST(e.updated_at, ${NOW})`,
}

function columnsOf(outcome: Outcome, behind: ReadonlyMap<string, Sql>): Sql {
  switch (outcome.kind) {
    case 'published':
      return sql`${text(outcome.progress)} AS progress, ${outcome.retryCount ?? null} AS retries`
    case 'retry':
      return sql`${outcome.retryCount} AS retries, ${nowPlus(outcome.delay)} AS at, ${errorColumns(outcome.error)},
  ${text(outcome.progress)} AS progress`
    case 'failed':
      return sql`${outcome.retryCount} AS retries, ${outcome.blocks} AS blocks, ${errorColumns(outcome.error)},
  ${text(outcome.progress)} AS progress`
    case 'park': {
      if (outcome.delay === null) return sql`${FAR_FUTURE_SQL} AS at`
      const head = outcome.behind === undefined ? undefined : behind.get(outcome.behind)
      return sql`CAST(${head ?? nowPlus(outcome.delay)} AS DATETIME(6)) AS at`
    }
    default:
      return sql`${outcome.retryCount} AS retries`
  }
}

/** An error's text, and what is stored beside it. */
function errorColumns(error: string): Sql {
  const { errorCode, errorFingerprint } = errorCause(error)
  return sql`${text(error)} AS error, ${errorCode} AS code, ${errorFingerprint} AS fingerprint`
}

/** When the heads that these wait for are due, as SQL: NULL = not parked; missing = settled. */
async function heads(tx: Runs, t: Tables, some: readonly Outcome[]): Promise<ReadonlyMap<string, Sql>> {
  const ids = some.flatMap((outcome) => (outcome.kind === 'park' && outcome.behind ? [outcome.behind] : []))
  const known = ids.filter(isUuid).map(toSqlId)
  if (known.length === 0) return new Map()
  const rows = await tx.query(sql`
SELECT id, CAST(available_at AS CHAR) AS at FROM ${t.events} FORCE INDEX (PRIMARY)
WHERE id IN (${known}) AND stage IN (${UNSETTLED_STAGES})`)
  return new Map(rows.map((row) => [fromSqlId(row['id']), sql`${row['at'] as SqlValue}`]))
}

function text(value: string | undefined): Sql | null {
  return value === undefined ? null : hexText(value)
}

/** Records one published event under the current fence; false when the lane or the event is no longer ours. */
export function settleByOwner(t: Tables) {
  const lockOwned = ownedLanes(t)
  const lockRows = lockedIds(t)
  return async (tx: Runs, ownership: Ownership, outcome: Of<'published'>): Promise<boolean> => {
    if (!isUuid(outcome.id) || !(await lockOwned(tx, ownership, [outcome])).has(outcome.lane)) return false
    const found = (await lockRows(tx, [outcome], WAIT)).get(outcome.id)
    if (!mayRecord(outcome, found) || found?.unsettled !== true || found.lane !== outcome.lane) return false
    if (isErased(outcome)) await erase(tx, t, [outcome])
    else await tx.run(await updateOf(tx, t, 'published', [outcome], ''))
    return true
  }
}
