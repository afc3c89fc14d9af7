import type { AdminMove, AdminStore, Hold } from '../admin-store.ts'
import { holdOfRow, holdsBeside, laneKey } from '../coordination-rows.ts'
import { LONGEST_HOLD } from '../coordination-store.ts'
import { NO_COPIES, storeCopies } from '../store-copies.ts'
import { isUuid } from '../values.ts'
import type { Client, ClientTransaction, SqlValue } from './client.ts'
import { raiseAttention } from './coordination.ts'
import { comeInto } from './correct.ts'
import { publish } from './publish.ts'
import { runOn } from './run-program.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
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
  /** Of those, what stays. */
  readonly unless?: string
}

// Plain SQL may have put either where nothing can be added to it. A count stays there; a generation begins again, for it
// only has to differ from the one before.
const COUNTED = 'least(e.retry_count, 2147483646) + 1'
const NEXT_GENERATION = 'CASE WHEN e.generation < 2147483647 THEN e.generation + 1 ELSE 0 END'

/** `$5` is the number of the operation, or null. Extensions that plain SQL made no object of stay as they are. */
const AGAIN = `status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    published_at = NULL, updated_at = statement_timestamp(), generation = ${NEXT_GENERATION},
    extensions = CASE WHEN $5::bigint IS NULL OR json_typeof(e.extensions) <> 'object' THEN e.extensions
      ELSE (coalesce(e.extensions::jsonb, '{}') || jsonb_build_object('replay', $5::bigint))::json END`
const IS_MARKED = `$5::bigint IS NOT NULL AND json_typeof(e.extensions) = 'object'
    AND (e.extensions ->> 'replay') IS NOT DISTINCT FROM $5::text`

/** What each move writes, and to which events; `$5` and `$6` are the move's own values. */
const MOVES: Readonly<Record<Exclude<AdminMove['kind'], 'delete'>, Change>> = {
  requeue: {
    set: `status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ('failed', 'cancelled', 'retry')`,
  },

  replay: { set: AGAIN, from: `e.status = 'published'`, unless: IS_MARKED },

  copy: { set: AGAIN, from: `e.status IN ('published', 'failed', 'cancelled')`, unless: IS_MARKED },

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
    set: `status = 'failed', last_error = $5,
    available_at = CASE WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = ${NEXT_GENERATION}`,
    from: `e.status IN ${UNSETTLED}`,
  },

  incrementRetry: {
    set: `retry_count = ${COUNTED}, last_error = $5,
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
    set: `scheduled_at = $5::timestamptz,
    available_at = CASE WHEN $5::timestamptz > statement_timestamp() THEN $5::timestamptz END,
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

  const busyText = (from: string): string => `
SELECT e.id FROM ${t.events} AS e WHERE e.id = ANY ($1::uuid[]) AND ${from} AND ${isBusy('$2', '$3')}`

  const changeText = (what: string, from: string): string => `
WITH changed AS (
  ${what}
  WHERE e.id = ANY ($1::uuid[]) AND ${from} AND NOT ${isBusy('$3', '$4')}
  RETURNING e.id, e.publisher_backend, e.lane
), ${raiseAttention(t)}
SELECT changed.id FROM changed, told`

  const statementsOf = (move: AdminMove): { readonly change: string; readonly busy: string } => {
    if (move.kind === 'delete') {
      const from = move.published ? 'true' : `e.status <> 'published'`
      return { change: changeText(`DELETE FROM ${t.events} AS e`, from), busy: busyText(from) }
    }
    const { set, from, unless } = MOVES[move.kind]
    const which = unless === undefined ? from : `${from} AND (${unless}) IS NOT TRUE`
    return { change: changeText(`UPDATE ${t.events} AS e SET ${set}`, which), busy: busyText(from) }
  }

  const liftOn = lift(t)
  const comeIntoPlace = comeInto(t)
  const publishing = publish(t)
  return (ids, move, holds, operation) => {
    const { change, busy: findBusy } = statementsOf(move)
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        const copies = move.kind === 'copy' ? await runOn(tx, storeCopies(publishing, move.rows)) : NO_COPIES
        const wanted = move.kind === 'copy' ? [...copies.there.keys()] : ids.filter(isUuid)
        await tx.query(made, [wanted])
        await tx.query(locked, [wanted, ...columnsOf(holds)])
        const closed = (await tx.query(closedText, [wanted, ...columnsOf(holds)])).map(laneKey)
        const lanes = [closed.map(({ backend }) => backend), closed.map(({ lane }) => lane)] as const
        const rows = await tx.query(change, [wanted, t.events, ...lanes, ...valuesOf(move, operation)])
        const moved = rows.map(({ id }) => id ?? '')
        if (move.kind === 'correct') for (const id of moved) await comeIntoPlace(tx, id, move.row)
        const left = wanted.filter((id) => !moved.includes(id.toLowerCase()))
        const busy = closed.length === 0 ? [] : await tx.query(findBusy, [left, ...lanes])
        await liftOn(tx, holdsBeside(closed, holds))
        const done = [...copies.stored, ...moved.map((id) => copies.there.get(id) ?? id)]
        if (operation !== undefined && done.length > 0) {
          const counted = `UPDATE ${t.operations} SET moved = moved + $2::bigint WHERE id = $1::bigint`
          await tx.query(counted, [operation, done.length])
        }
        return { moved: done, busy: busy.map(({ id }) => id ?? '') }
      }),
    )
  }
}

function valuesOf(move: AdminMove, operation: number | undefined): readonly SqlValue[] {
  switch (move.kind) {
    case 'replay':
    case 'copy':
      return [operation ?? null]
    case 'markFailed':
      return [move.error.replaceAll('\0', '')]
    case 'incrementRetry':
      return [move.error.replaceAll('\0', ''), move.delay]
    case 'reschedule':
      return [move.at.toISOString()]
    default:
      return []
  }
}
