import { aroundLocked } from '../locked-rows.ts'
import type { Outcome, Ownership, SettleReport } from '../relay-store.ts'
import type { Client, ClientTransaction, RawRow } from './client.ts'
import { SETTLE_PARAMETERS } from './settle-parameters.ts'
import { isLocked, runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './values.ts'

type Kind = Outcome['kind']
type Of<K extends Kind> = Extract<Outcome, { kind: K }>
type Runs = Pick<ClientTransaction, 'query'>

/**
 * The lanes among `$3`, `$4` that are still ours, locked so that none is taken before this commits. In lane order:
 * two settles and a claim must not wait for each other in a circle.
 */
function ownedLanes(t: Tables): string {
  return `owned AS (
  SELECT l.lane
  FROM ${t.lanes} AS l JOIN unnest($3::int[], $4::bigint[]) AS held(lane, fence) ON l.lane = held.lane
  WHERE l.backend = $1 AND l.owner = $2::uuid AND l.fence = held.fence
  ORDER BY l.lane
  FOR SHARE OF l
)`
}

/** What is stored beside the text of an error. */
const CAUSE = 'error_code = o.code, error_fingerprint = o.fingerprint'

/** The history with one attempt more, the last ten of it. `o` is the outcome, `e` the row, `$2` the worker. */
function attempts(t: Tables): string {
  return `(
    SELECT json_agg(kept.attempt ORDER BY kept.n) FROM (
      SELECT every.attempt, every.n FROM (
        SELECT old.attempt, old.n FROM json_array_elements(
          CASE WHEN json_typeof(e.attempts) = 'array' THEN e.attempts ELSE '[]' END) WITH ORDINALITY AS old(attempt, n)
        UNION ALL
        SELECT json_build_object(
          'at', to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'worker', coalesce((SELECT w.name FROM ${t.workers} AS w WHERE w.id = $2::uuid), $2::uuid::text),
          'error', coalesce(o.brief, o.error)), 1000000
      ) AS every ORDER BY every.n DESC LIMIT 10
    ) AS kept)`
}

function statements(t: Tables) {
  return {
    /** The lanes first, as the outcomes that need them do. */
    lockLanes: `WITH ${ownedLanes(t)} SELECT count(*) AS count FROM owned`,

    /** Locks those of these rows that nobody else has locked, and returns the others. */
    lockFree: `
WITH free AS MATERIALIZED (
  SELECT e.id FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[]) ORDER BY e.id FOR NO KEY UPDATE SKIP LOCKED
)
SELECT e.id FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[]) AND e.id NOT IN (SELECT free.id FROM free)`,

    /**
     * Whatever the lease: it is true, unless an operator moved the row since it was fetched. One index lookup an id; the ids
     * are sorted, so that racing settles agree. Returns the ids that were lost, of which there are usually none: to return
     * those recorded cost the client 2 us each. The first and the last id name the partitions: a list in a kept plan would not.
     */
    published: `
WITH recorded AS (
  UPDATE ${t.events} AS e
  SET status = 'published', published_at = statement_timestamp(), updated_at = statement_timestamp(),
    available_at = NULL
  WHERE e.id = ANY ($1::uuid[]) AND e.id BETWEEN $3::uuid AND $4::uuid AND e.generation = $2::integer AND e.status NOT IN ('published', 'cancelled')
  RETURNING e.id
)
SELECT given.id FROM unnest($1::uuid[]) AS given(id) WHERE given.id NOT IN (SELECT recorded.id FROM recorded)`,

    /** For those who keep no history. The same, but that the row goes. */
    erased: `
WITH recorded AS (
  DELETE FROM ${t.events} AS e
  WHERE e.id = ANY ($1::uuid[]) AND e.id BETWEEN $3::uuid AND $4::uuid AND e.generation = $2::integer AND e.status NOT IN ('published', 'cancelled')
  RETURNING e.id
)
SELECT given.id FROM unnest($1::uuid[]) AS given(id) WHERE given.id NOT IN (SELECT recorded.id FROM recorded)`,

    publishedWithMore: `
UPDATE ${t.events} AS e
SET status = 'published', published_at = statement_timestamp(), updated_at = statement_timestamp(),
  available_at = NULL, progress = coalesce(o.progress::json, e.progress), retry_count = coalesce(o.retries, e.retry_count)
FROM json_to_recordset($1::json) AS o(id uuid, generation integer, retries integer, progress text)
WHERE e.id = o.id AND e.generation = o.generation AND e.status NOT IN ('published', 'cancelled')
RETURNING e.id`,

    /** For `settleInTransaction`: what a handler wrote may commit only under the current fence. */
    publishedByOwner: `
WITH ${ownedLanes(t)}
UPDATE ${t.events} AS e
SET status = 'published', published_at = statement_timestamp(), updated_at = statement_timestamp(),
  available_at = NULL, progress = coalesce(o.progress::json, e.progress), retry_count = coalesce(o.retries, e.retry_count)
FROM json_to_recordset($5::json) AS o(id uuid, generation integer, retries integer, progress text), owned
WHERE e.id = o.id AND e.generation = o.generation AND e.lane = owned.lane AND e.status IN ${UNSETTLED}
RETURNING e.id`,

    erasedByOwner: `
WITH ${ownedLanes(t)}
DELETE FROM ${t.events} AS e USING owned
WHERE e.id = $5::uuid AND e.generation = $6::integer AND e.lane = owned.lane AND e.status IN ${UNSETTLED}
RETURNING e.id`,

    retry: `
WITH ${ownedLanes(t)}
UPDATE ${t.events} AS e
SET status = 'retry', retry_count = o.retries, last_error = o.error, ${CAUSE}, updated_at = statement_timestamp(),
  scheduled_at = statement_timestamp() + o.delay * interval '1 millisecond',
  available_at = statement_timestamp() + o.delay * interval '1 millisecond',
  progress = coalesce(o.progress::json, e.progress),
  attempts = CASE WHEN e.retry_count = o.retries AND e.status <> 'processing' THEN e.attempts ELSE ${attempts(t)} END
FROM json_to_recordset($5::json) AS o(id uuid, lane integer, generation integer, retries integer, delay float8, error text, brief text, code text, fingerprint text, progress text), owned
WHERE e.id = o.id AND e.generation = o.generation AND e.lane = o.lane AND e.lane = owned.lane
  AND e.status IN ${UNSETTLED}
RETURNING e.id`,

    failed: `
WITH ${ownedLanes(t)}
UPDATE ${t.events} AS e
SET status = 'failed', retry_count = o.retries, last_error = o.error, ${CAUSE}, updated_at = statement_timestamp(),
  available_at = CASE WHEN o.blocks AND e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
  progress = coalesce(o.progress::json, e.progress),
  attempts = ${attempts(t)}
FROM json_to_recordset($5::json) AS o(id uuid, lane integer, generation integer, retries integer, blocks boolean, error text, brief text, code text, fingerprint text, progress text), owned
WHERE e.id = o.id AND e.generation = o.generation AND e.lane = o.lane AND e.lane = owned.lane
  AND e.status IN ${UNSETTLED}
RETURNING e.id`,

    /** '-infinity' stands for a head that is not parked: NULL would be one that is not there. */
    park: `
WITH ${ownedLanes(t)}
UPDATE ${t.events} AS e
SET available_at = CASE WHEN o.delay IS NULL THEN ${FAR_FUTURE_SQL} ELSE nullif(coalesce((
    SELECT coalesce(h.available_at, '-infinity') FROM ${t.events} AS h
    WHERE h.id = o.behind AND h.status IN ${UNSETTLED}
  ), statement_timestamp() + o.delay * interval '1 millisecond'), '-infinity') END
FROM json_to_recordset($5::json) AS o(id uuid, lane integer, generation integer, delay float8, behind uuid), owned
WHERE e.id = o.id AND e.generation = o.generation AND e.lane = o.lane AND e.lane = owned.lane
  AND e.status IN ${UNSETTLED}
RETURNING e.id`,

    /**
     * `sending` and `returned`. A parked event is not in flight: a mark on it came late, and would hide a head from
     * reconcile. The event is as due as before, and where the clock was set back only `updated_at` says so.
     */
    sending: `
WITH ${ownedLanes(t)}
UPDATE ${t.events} AS e
SET status = 'processing', retry_count = o.retries, updated_at = greatest(e.updated_at, statement_timestamp())
FROM json_to_recordset($5::json) AS o(id uuid, lane integer, generation integer, retries integer), owned
WHERE e.id = o.id AND e.generation = o.generation AND e.lane = o.lane AND e.lane = owned.lane
  AND e.status IN ${UNSETTLED} AND e.available_at IS NULL
RETURNING e.id`,

    returned: `
WITH ${ownedLanes(t)}
UPDATE ${t.events} AS e
SET status = CASE WHEN o.retries > 0 THEN 'retry' ELSE 'pending' END, retry_count = o.retries,
  updated_at = greatest(e.updated_at, statement_timestamp())
FROM json_to_recordset($5::json) AS o(id uuid, lane integer, generation integer, retries integer), owned
WHERE e.id = o.id AND e.generation = o.generation AND e.lane = o.lane AND e.lane = owned.lane
  AND e.status IN ${UNSETTLED} AND e.available_at IS NULL
RETURNING e.id`,
  }
}

type Statements = ReturnType<typeof statements>

/** `park` last: what is parked behind a head takes over the time that the same settle gives the head. */
const GUARDED = ['sending', 'returned', 'retry', 'failed', 'park'] as const

/**
 * Records the outcomes of events: one statement for each kind that occurs, in one transaction. A batch that was all
 * delivered is one statement by itself: 10 us of the server an event, all but the row's own rewrite negligible
 * (docs/decisions/0011-settle-on-postgresql.md).
 */
export function settle(client: Client, t: Tables) {
  const sql = statements(t)

  const stepsOf = (ownership: Ownership, outcomes: readonly Outcome[]): readonly Step[] => [
    ...published(sql, outcomes),
    ...publishedWithMore(sql, outcomes),
    ...GUARDED.flatMap((kind) => guarded(sql, ownership, kind, outcomes)),
  ]
  const run = async (tx: Runs, steps: readonly Step[]): Promise<readonly string[]> => {
    const lost: string[] = []
    for (const step of steps) lost.push(...(await step(tx)))
    return lost
  }
  const choose = aroundLocked<SettleReport>(isLocked)

  return async (ownership: Ownership, outcomes: readonly Outcome[]): Promise<SettleReport> => {
    const steps = stepsOf(ownership, outcomes)
    const [only] = steps
    if (only === undefined) return { lost: [], busy: [] }
    const plainly = async (): Promise<SettleReport> => {
      if (steps.length === 1) return { lost: await only(client), busy: [] }
      return runAgainOnConflict(() => client.transaction(async (tx) => ({ lost: await run(tx, steps), busy: [] })))
    }
    const around = (): Promise<SettleReport> =>
      runAgainOnConflict(() =>
        client.transaction(async (tx) => {
          const fenced = outcomes.filter((outcome) => !isPublished(outcome))
          if (fenced.length > 0) await tx.query(sql.lockLanes, proofOf(ownership, fenced))
          const locked = await tx.query(sql.lockFree, [outcomes.map(({ id }) => id)])
          const busy = new Set(locked.map(({ id }) => id))
          const free = outcomes.filter(({ id }) => !busy.has(id))
          return { lost: await run(tx, stepsOf(ownership, free)), busy: locked.map(({ id }) => id ?? '') }
        }),
      )
    return choose(plainly, around)
  }
}

/** One statement of a settle. Resolves with the ids that were lost. */
type Step = (on: Runs) => Promise<readonly string[]>

function published(sql: Statements, outcomes: readonly Outcome[]): readonly Step[] {
  const all = outcomes.filter(isPublished)
  const oneEach = (statement: string, some: readonly Of<'published'>[]): readonly Step[] =>
    // One for each generation: nearly all events were never moved by an operator. And one for ids of another version: they lie anywhere.
    [...Map.groupBy(some, ({ id, generation }) => `${generation} ${id[14] === '7'}`).values()].map((group) => {
      const ids = group.map(({ id }) => id).sort()
      const values = [ids, group[0]?.generation ?? 0, ids[0] ?? '', ids.at(-1) ?? '']
      return async (on) => (await on.query(statement, values, 'keep')).map(({ id }) => id ?? '')
    })
  return [
    ...oneEach(
      sql.published,
      all.filter((outcome) => outcome.erase !== true && isPlain(outcome)),
    ),
    ...oneEach(
      sql.erased,
      all.filter(({ erase }) => erase === true),
    ),
  ]
}

function publishedWithMore(sql: Statements, outcomes: readonly Outcome[]): readonly Step[] {
  const some = outcomes.filter(isPublished).filter((outcome) => outcome.erase !== true && !isPlain(outcome))
  if (some.length === 0) return []
  const parameter = JSON.stringify(some.map(publishedRow))
  return [async (on) => missing(some, await on.query(sql.publishedWithMore, [parameter]))]
}

function guarded<K extends (typeof GUARDED)[number]>(
  sql: Statements,
  ownership: Ownership,
  kind: K,
  outcomes: readonly Outcome[],
): readonly Step[] {
  const some = outcomes.filter((outcome): outcome is Of<K> => outcome.kind === kind)
  if (some.length === 0) return []
  const values = [...proofOf(ownership, some), JSON.stringify(some.map(SETTLE_PARAMETERS[kind]))]
  return [async (on) => missing(some, await on.query(sql[kind], values))]
}

function missing(outcomes: readonly Outcome[], recorded: readonly RawRow[]): readonly string[] {
  if (recorded.length === outcomes.length) return []
  const ids = new Set(recorded.map(({ id }) => id))
  return outcomes.flatMap(({ id }) => (ids.has(id) ? [] : [id]))
}

/** `$1` to `$4` of a guarded statement. */
function proofOf(ownership: Ownership, outcomes: readonly Outcome[]) {
  const lanes = [...new Set(outcomes.map(({ lane }) => lane))].filter((lane) => ownership.fences.has(lane))
  return [
    ownership.backend,
    ownership.workerId,
    lanes,
    lanes.map((lane) => ownership.fences.get(lane) ?? null),
  ] as const
}

function isPlain({ progress, retryCount }: Of<'published'>): boolean {
  return progress === undefined && retryCount === undefined
}

function publishedRow({ id, generation, retryCount, progress }: Of<'published'>) {
  return { id, generation, retries: retryCount, progress }
}

function isPublished(outcome: Outcome): outcome is Of<'published'> {
  return outcome.kind === 'published'
}

/** Records one published event under the current fence; false when the lane or the event is no longer ours. */
export function settleByOwner(t: Tables) {
  const { publishedByOwner, erasedByOwner } = statements(t)
  return async (on: Runs, ownership: Ownership, outcome: Of<'published'>): Promise<boolean> => {
    const proof = proofOf(ownership, [outcome])
    if (outcome.erase === true)
      return (await on.query(erasedByOwner, [...proof, outcome.id, outcome.generation])).length === 1
    const parameter = JSON.stringify([publishedRow(outcome)])
    const rows = await on.query(publishedByOwner, [...proof, parameter])
    return rows.length === 1
  }
}
