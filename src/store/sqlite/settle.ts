import { errorValues } from '../../record/error-cause.ts'
import type { Outcome, Ownership, SettleReport } from '../relay-store.ts'
import { fromSqlId, toSqlId } from '../values.ts'
import type { Connection } from './connection.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus } from './values.ts'

type OfKind<Kind extends Outcome['kind']> = Extract<Outcome, { readonly kind: Kind }>

/**
 * Records the outcomes of events: one statement for each kind of outcome, its rows in one JSON parameter. Runs inside a
 * write transaction, so lanes read here stay as they are until the commit.
 */
export function settle(t: Tables) {
  const ownedSql = `SELECT lane, fence FROM ${t.lanes} WHERE backend = ? AND owner = ?`
  /** `j` is the outcome: (id, lane, generation, retry_count, delay in seconds, error, progress, blocks, behind, code, fingerprint). */
  const update = (set: string, where: string, updatedAt = NOW) => `
    UPDATE ${t.events} AS e SET ${set}, updated_at = ${updatedAt}
    FROM (
      SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS lane,
        json_extract(value, '$[2]') AS generation, json_extract(value, '$[3]') AS retry_count,
        json_extract(value, '$[4]') AS delay, json_extract(value, '$[5]') AS error,
        json_extract(value, '$[6]') AS progress, json_extract(value, '$[7]') AS blocks,
        json_extract(value, '$[8]') AS behind,
        json_extract(value, '$[9]') AS code, json_extract(value, '$[10]') AS fingerprint
      FROM json_each(?)
    ) AS j
    WHERE e.id = j.id AND e.generation = j.generation AND ${where}
    RETURNING id`
  const unsettled = `e.lane = j.lane AND e.status IN ('pending', 'retry', 'processing')`
  const progress = 'progress = coalesce(j.progress, e.progress)'
  const due = nowPlus('j.delay')
  // The history keeps ten: the oldest makes room. One that is not a list (SQL may have written it) starts afresh.
  const remembered = `json_insert(
      CASE WHEN e.attempts IS NULL OR NOT json_valid(e.attempts) THEN '[]' WHEN json_type(e.attempts) <> 'array' THEN '[]'
        WHEN json_array_length(e.attempts) >= 10 THEN json_remove(e.attempts, '$[0]') ELSE e.attempts END,
      '$[#]',
      json_object('at', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
        'worker', coalesce((SELECT name FROM ${t.workers} WHERE id = ?), ?), 'error', j.error))`
  const cause = 'last_error = j.error, error_code = j.code, error_fingerprint = j.fingerprint'
  const remember = `${cause}, attempts = ${remembered}`
  // An event that only waits has spent no attempt.
  const rememberSpent = `${cause},
    attempts = CASE WHEN e.retry_count = j.retry_count AND e.status <> 'processing' THEN e.attempts ELSE ${remembered} END`

  const publishedSql = update(
    `status = 'published', published_at = ${NOW}, available_at = NULL, ${progress},
     retry_count = coalesce(j.retry_count, e.retry_count)`,
    "e.status NOT IN ('published', 'cancelled')",
  )
  const erasedSql = `
    DELETE FROM ${t.events} AS e
    WHERE (e.id, e.generation) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[2]') FROM json_each(?))
      AND e.status NOT IN ('published', 'cancelled')
    RETURNING id`
  const retrySql = update(
    `${rememberSpent}, status = 'retry', retry_count = j.retry_count, scheduled_at = ${due}, available_at = ${due}, ${progress}`,
    unsettled,
  )
  const failedSql = update(
    `${remember}, status = 'failed', retry_count = j.retry_count, ${progress},
     available_at = CASE WHEN j.blocks AND e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`,
    unsettled,
  )
  // The event is as due as before; after the clock was set back only this instant says so (see `fetch`).
  const latest = `max(e.updated_at, ${NOW})`
  // '' stands for a head that is not parked: NULL would be a missing one.
  const parkSql = update(
    `available_at = CASE WHEN j.delay IS NULL THEN ${FAR_FUTURE_SQL} ELSE nullif(coalesce((
       SELECT coalesce(h.available_at, '') FROM ${t.events} AS h
       WHERE h.id = j.behind AND h.status IN ('pending', 'retry', 'processing')), ${due}), '') END`,
    unsettled,
    latest,
  )
  // A parked event is not in flight: such an outcome came late, and would hide a head from reconcile.
  const hot = `${unsettled} AND e.available_at IS NULL`
  const sendingSql = update("status = 'processing', retry_count = j.retry_count", hot, latest)
  const returnedSql = update(
    "status = CASE WHEN j.retry_count > 0 THEN 'retry' ELSE 'pending' END, retry_count = j.retry_count",
    hot,
    latest,
  )

  return (db: Connection, { workerId, backend, fences }: Ownership, outcomes: readonly Outcome[]): SettleReport => {
    const recorded = new Set<string>()
    const run = (sql: string, rows: readonly (readonly unknown[])[], ...values: string[]): void => {
      if (rows.length === 0) return
      for (const row of db.all(sql, ...values, JSON.stringify(rows))) recorded.add(fromSqlId(row['id']))
    }
    const owned = new Set(
      db
        .all(ownedSql, backend, workerId)
        .filter((row) => fences.get(Number(row['lane'])) === row['fence'])
        .map((row) => Number(row['lane'])),
    )
    const of = <Kind extends Outcome['kind']>(kind: Kind): readonly OfKind<Kind>[] =>
      outcomes.filter(
        (each): each is OfKind<Kind> => each.kind === kind && (kind === 'published' || owned.has(each.lane)),
      )
    const seconds = (delay: number | null): number | null => (delay === null ? null : delay / 1000)

    const kept = of('published').filter(({ erase }) => erase !== true)
    run(
      publishedSql,
      kept.map((o) => [toSqlId(o.id), o.lane, o.generation, o.retryCount ?? null, null, null, o.progress]),
    )
    const erased = of('published').filter(({ erase }) => erase === true)
    run(
      erasedSql,
      erased.map((o) => [toSqlId(o.id), o.lane, o.generation]),
    )
    run(
      retrySql,
      of('retry').map((o) => [
        toSqlId(o.id),
        o.lane,
        o.generation,
        o.retryCount,
        seconds(o.delay),
        o.error,
        o.progress,
        null,
        null,
        ...errorValues(o.error).slice(1),
      ]),
      workerId,
      workerId,
    )
    run(
      failedSql,
      of('failed').map((o) => [
        toSqlId(o.id),
        o.lane,
        o.generation,
        o.retryCount,
        null,
        o.error,
        o.progress,
        o.blocks,
        null,
        ...errorValues(o.error).slice(1),
      ]),
      workerId,
      workerId,
    )
    run(
      parkSql,
      of('park').map((o) => [
        toSqlId(o.id),
        o.lane,
        o.generation,
        null,
        seconds(o.delay),
        null,
        null,
        null,
        o.behind === undefined ? null : toSqlId(o.behind),
      ]),
    )
    run(
      sendingSql,
      of('sending').map((o) => [toSqlId(o.id), o.lane, o.generation, o.retryCount]),
    )
    run(
      returnedSql,
      of('returned').map((o) => [toSqlId(o.id), o.lane, o.generation, o.retryCount]),
    )
    return { lost: outcomes.map((outcome) => outcome.id).filter((id) => !recorded.has(id)), busy: [] }
  }
}
