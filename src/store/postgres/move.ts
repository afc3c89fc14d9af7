import { errorValues } from '../../record/error-cause.ts'
import type { AdminMove, AdminStore, Condition, Hold } from '../admin-store.ts'
import { holdOfRow, holdsBeside, laneKey } from '../coordination-rows.ts'
import { LONGEST_HOLD } from '../coordination-store.ts'
import { passable, stepTaken } from '../operation-store.ts'
import { NO_COPIES, storeCopies } from '../store-copies.ts'
import { isUuid } from '../values.ts'
import type { Client, ClientTransaction, SqlValue } from './client.ts'
import { compileConditions, Parameters } from './condition.ts'
import { raiseAttention } from './coordination.ts'
import { comeInto } from './correct.ts'
import { advance, isStepDue } from './operations.ts'
import { publish } from './publish.ts'
import { runOn } from './run-program.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { isUndoable, keepForUndo, undone } from './undo.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './values.ts'

/** The lanes `l` of events `$1`: an event without a backend's name may be sent from that lane of any. */
function lanesOfEvents(t: Tables, which = ''): string {
  return `${t.lanes} AS l JOIN (
    SELECT e.publisher_backend AS backend, e.lane FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[])${which}
  ) AS c ON l.lane = c.lane AND (l.backend = c.backend OR c.backend = '')`
}

/** The same, and the lanes of holds `$2` to `$4`, of which `h.number` is the number. */
function lanesOfMove(t: Tables): string {
  return `${t.lanes} AS l JOIN (
    SELECT e.publisher_backend AS backend, e.lane FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[])
    UNION SELECT backend, lane FROM unnest($2::text[], $3::int[]) AS held(backend, lane)
  ) AS c ON l.lane = c.lane AND (l.backend = c.backend OR c.backend = '')
  LEFT JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS h(backend, lane, number)
    ON h.backend = l.backend AND h.lane = l.lane`
}

/**
 * Asks the owners of the lanes in which these events wait to take their hands off them. `$2` is the events table. Without
 * a hold the owner may be sending whatever it answered before: `quiet_for` is -n, and only answers beyond n count.
 */
export function hold(client: Client, t: Tables): AdminStore['hold'] {
  const text = `
WITH these AS (
  SELECT l.backend, l.lane FROM ${lanesOfEvents(t, ` AND e.status IN ${UNSETTLED}`)}
  ORDER BY l.backend, l.lane
  FOR UPDATE OF l
), held AS (
  UPDATE ${t.lanes} AS l
  SET quiet_for = CASE WHEN l.hold_until IS NULL THEN -l.hold ELSE l.quiet_for END,
    hold = l.hold + 1,
    hold_until = least(greatest(l.hold_until, clock_timestamp() + $3::float8 * interval '1 millisecond'),
      clock_timestamp() + ${LONGEST_HOLD} * interval '1 millisecond')
  FROM (SELECT DISTINCT backend, lane FROM these) AS s
  WHERE l.backend = s.backend AND l.lane = s.lane
  RETURNING l.backend, l.lane, l.hold
)
SELECT backend, lane, hold, pg_notify('broadcaster_' || $2::regclass::oid, 'lanes')::text AS told FROM held`

  return async (ids, duration) => {
    return (await client.query(text, [ids.filter(isUuid), t.events, duration])).map(holdOfRow)
  }
}

/** Ends holds that have not been renewed since. */
export function lift(t: Tables) {
  const text = `
WITH lifted AS (
  UPDATE ${t.lanes} AS l
  SET hold_until = NULL
  FROM unnest($2::text[], $3::int[], $4::bigint[]) AS h(backend, lane, number)
  WHERE l.backend = h.backend AND l.lane = h.lane AND l.hold = h.number
    AND l.hold_until IS NOT NULL
  RETURNING l.lane
)
SELECT pg_notify('broadcaster_' || $1::regclass::oid, 'lanes')::text AS told WHERE EXISTS (SELECT FROM lifted)`
  return async (on: Pick<ClientTransaction, 'query'>, holds: readonly Hold[]): Promise<void> => {
    if (holds.length > 0) await on.query(text, [t.events, ...columnsOf(holds)])
  }
}

/** Holds as three lists. */
function columnsOf(holds: readonly Hold[]) {
  return [
    holds.map(({ backend }) => backend),
    holds.map(({ lane }) => lane),
    holds.map(({ number }) => number),
  ] as const
}

interface Change {
  /** After `UPDATE ... AS e`. */
  readonly set: string
  /** The statuses from which it leads. */
  readonly from: string
}

// Plain SQL may have put either where nothing can be added to it. A count stays there; a generation begins again, for it
// only has to differ from the one before.
const COUNTED = 'least(e.retry_count, 2147483646) + 1'
const NEXT_GENERATION = 'CASE WHEN e.generation < 2147483647 THEN e.generation + 1 ELSE 0 END'

/** `$3` is the number of the operation, or null. Extensions that plain SQL made no object of stay as they are. */
const AGAIN = `status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    published_at = NULL, updated_at = statement_timestamp(), generation = ${NEXT_GENERATION},
    extensions = CASE WHEN $3::bigint IS NULL OR json_typeof(e.extensions) <> 'object' THEN e.extensions
      ELSE (coalesce(e.extensions::jsonb, '{}') || jsonb_build_object('replay', $3::bigint))::json END`
/** What an operation of this number has replayed. */
const isMarked = (operation: string): string => `json_typeof(e.extensions) = 'object'
    AND (e.extensions ->> 'replay') IS NOT DISTINCT FROM ${operation}::text`

/** What each move writes, and to which events; from `$3` on stand the move's own values. */
const MOVES: Readonly<Record<Exclude<AdminMove['kind'], 'delete' | 'undo'>, Change>> = {
  requeue: {
    set: `status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ('failed', 'cancelled', 'retry')`,
  },

  replay: { set: AGAIN, from: `e.status = 'published'` },

  copy: { set: AGAIN, from: `e.status IN ('published', 'failed', 'cancelled')` },

  skip: {
    set: `available_at = NULL, updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status = 'failed'`,
  },

  cancel: {
    set: `status = 'cancelled', available_at = NULL, updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ('pending', 'retry', 'processing', 'failed')`,
  },

  // What becomes of the new event's due time is read from here.
  correct: {
    set: `status = 'cancelled', available_at = NULL, updated_at = statement_timestamp(), generation = ${NEXT_GENERATION},
    scheduled_at = CASE WHEN e.status = 'pending' THEN e.scheduled_at ELSE statement_timestamp() END`,
    from: `e.status IN ('pending', 'retry', 'processing', 'failed')`,
  },

  markPublished: {
    set: `status = 'published', published_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status <> 'published'`,
  },

  markFailed: {
    set: `status = 'failed', last_error = $3, error_code = $4, error_fingerprint = $5,
    available_at = CASE WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ${UNSETTLED}`,
  },

  incrementRetry: {
    set: `retry_count = ${COUNTED}, last_error = $3, error_code = $4, error_fingerprint = $5,
    status = CASE WHEN ${COUNTED} >= e.max_retries THEN 'failed' ELSE 'retry' END,
    scheduled_at = CASE WHEN ${COUNTED} >= e.max_retries THEN e.scheduled_at
      ELSE statement_timestamp() + $6::float8 * interval '1 millisecond' END,
    available_at = CASE WHEN ${COUNTED} < e.max_retries
        THEN statement_timestamp() + $6::float8 * interval '1 millisecond'
      WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ${UNSETTLED}`,
  },

  reschedule: {
    set: `scheduled_at = $3::timestamptz,
    available_at = CASE WHEN $3::timestamptz > statement_timestamp() THEN $3::timestamptz END,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ${UNSETTLED}`,
  },
}

/**
 * Applies what an operator asked for, where the status as it is now allows it and no worker can be sending the event, and
 * tells the owners of the lanes. The lanes are locked first: a claim, or an answer to a hold, comes before, and is seen,
 * or after, and sees what was moved. Lanes that no worker has made yet are made, so that there is something to lock.
 */
export function move(client: Client, t: Tables): AdminStore['move'] {
  const made = `
INSERT INTO ${t.lanes} (backend, lane)
SELECT b.backend, l.lane
FROM (
  SELECT DISTINCT e.publisher_backend AS backend FROM ${t.events} AS e
  WHERE e.id = ANY ($1::uuid[]) AND e.publisher_backend <> ''
    AND NOT EXISTS (SELECT FROM ${t.lanes} AS l WHERE l.backend = e.publisher_backend)) AS b
CROSS JOIN generate_series(0, (SELECT lanes FROM ${t.settings}) - 1) AS l(lane)
ORDER BY 1, 2
ON CONFLICT DO NOTHING`

  const locked = `SELECT l.lane FROM ${lanesOfMove(t)} ORDER BY l.backend, l.lane FOR UPDATE OF l`

  const closedText = `
SELECT DISTINCT l.backend, l.lane FROM ${lanesOfMove(t)}
WHERE EXISTS (SELECT FROM ${t.workers} AS w WHERE w.id = l.owner AND w.lease_until > clock_timestamp())
  AND NOT coalesce(l.hold_until IS NOT NULL AND l.quiet_for >= h.number, false)`

  // A parked event is not in flight.
  const isBusy = (backends: string, lanes: string): string => `(e.status IN ${UNSETTLED}
    AND (e.available_at IS NULL OR e.available_at <= statement_timestamp()) AND EXISTS (
    SELECT FROM unnest(${backends}::text[], ${lanes}::int[]) AS b(backend, lane)
    WHERE b.lane = e.lane AND (b.backend = e.publisher_backend OR e.publisher_backend = '')))`

  /** Locks those that may be moved as they are now. What follows is decided about what is locked, and checked by nothing else. */
  const lockRows = async (
    tx: ClientTransaction,
    ids: readonly string[],
    { move, where, operation }: { move: AdminMove; where: readonly Condition[]; operation: number | undefined },
    closed: readonly Omit<Hold, 'number'>[],
  ): Promise<readonly { readonly id: string; readonly isBusy: boolean }[]> => {
    const parameters = new Parameters()
    const marked =
      operation === undefined || (move.kind !== 'replay' && move.kind !== 'copy')
        ? ''
        : ` AND (${isMarked(parameters.add(operation))}) IS NOT TRUE`
    const from = move.kind === 'undo' ? isUndoable(t, parameters.add(move.entry)) : fromOf(move)
    const which = `e.id = ANY (${parameters.add(ids)}::uuid[]) AND ${from}${marked}`
    const backends = parameters.add(closed.map(({ backend }) => backend))
    const busy = isBusy(backends, parameters.add(closed.map(({ lane }) => lane)))
    const text = `
SELECT e.id, ${busy} AS busy FROM ${t.events} AS e
WHERE ${which} AND ${compileConditions(where, t, parameters)} ORDER BY e.id FOR UPDATE OF e`
    const rows = await tx.query(text, parameters.values)
    return rows.map(({ id, busy }) => ({ id: id ?? '', isBusy: busy === 't' }))
  }

  const changeOf = (move: AdminMove): string => `
WITH ${
    move.kind === 'undo'
      ? undone(t, NEXT_GENERATION)
      : `changed AS (
  ${move.kind === 'delete' ? `DELETE FROM ${t.events} AS e` : `UPDATE ${t.events} AS e SET ${MOVES[move.kind].set}`}
  WHERE e.id = ANY ($1::uuid[])
  RETURNING e.id, e.publisher_backend, e.lane
)`
  }, ${raiseAttention(t)}
SELECT changed.id FROM changed, told`

  const liftOn = lift(t)
  const comeIntoPlace = comeInto(t)
  const publishing = publish(t)
  const isDue = isStepDue(t)
  const advanceOn = advance(t)
  const keep = keepForUndo(t, NEXT_GENERATION)
  return (ids, move, holds, { where = [], step, entry } = {}) => {
    const change = changeOf(move)
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        if (step && !(await isDue(tx, step))) return { moved: [], busy: [] }
        const copies = move.kind === 'copy' ? await runOn(tx, storeCopies(publishing, move.rows)) : NO_COPIES
        const wanted = move.kind === 'copy' ? [...copies.there.keys()] : ids.filter(isUuid)
        await tx.query(made, [wanted])
        await tx.query(locked, [wanted, ...columnsOf(holds)])
        const closed = (await tx.query(closedText, [wanted, ...columnsOf(holds)])).map(laneKey)
        const rows = await lockRows(tx, wanted, { move, where, operation: step?.id }, closed)
        const busy = rows.flatMap(({ id, isBusy }) => (isBusy ? [id] : []))
        const passed = step && passable(wanted, busy, step)
        const within = new Set(wanted.slice(0, passed).map((id) => id.toLowerCase()))
        const free = rows.flatMap(({ id, isBusy }) => (isBusy || !within.has(id) ? [] : [id]))
        const values = [free, t.events, ...valuesOf(move, step?.id)]
        if (free.length > 0) await keep(tx, move, free, entry)
        const changed = free.length === 0 ? [] : await tx.query(change, values)
        const moved = changed.map(({ id }) => id ?? '')
        if (move.kind === 'correct') for (const id of moved) await comeIntoPlace(tx, id, move.row)
        await liftOn(tx, holdsBeside(closed, holds))
        const done = [...copies.stored, ...moved.map((id) => copies.there.get(id) ?? id)]
        if (step === undefined || passed === undefined) return { moved: done, busy }
        await advanceOn(tx, step.id, step.owner, stepTaken(wanted, passed, done.length, step))
        return { moved: done, busy, passed }
      }),
    )
  }
}

function fromOf(move: Exclude<AdminMove, { kind: 'undo' }>): string {
  if (move.kind === 'delete') return move.published ? 'true' : `e.status <> 'published'`
  return MOVES[move.kind].from
}

function valuesOf(move: AdminMove, operation: number | undefined): readonly SqlValue[] {
  switch (move.kind) {
    case 'replay':
    case 'copy':
      return [operation ?? null]
    case 'markFailed':
      return errorValues(move.error.replaceAll('\0', ''))
    case 'incrementRetry':
      return [...errorValues(move.error.replaceAll('\0', '')), move.delay]
    case 'reschedule':
      return [move.at.toISOString()]
    case 'undo':
      return [move.entry]
    default:
      return []
  }
}
