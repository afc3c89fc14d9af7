import type { AdminMove, AdminStore } from '../admin-store.ts'
import type { Client, SqlValue } from './client.ts'
import { columnsOf, lanesOfMove, lift } from './hold.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './literals.ts'
import { raiseAttention } from './raise-attention.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { isUuid } from './uuid.ts'

interface Change {
  /** After `UPDATE ... AS e`. */
  readonly set: string
  /** The statuses from which it leads. */
  readonly from: string
}

/** What each move writes, and to which events; `$5` and `$6` are the move's own values. */
const MOVES: Readonly<Record<Exclude<AdminMove['kind'], 'delete'>, Change>> = {
  requeue: {
    set: `status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status IN ('failed', 'cancelled', 'retry')`,
  },

  replay: {
    set: `status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    published_at = NULL, updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status = 'published'`,
  },

  skip: {
    set: `available_at = NULL, updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status = 'failed'`,
  },

  cancel: {
    set: `status = 'cancelled', available_at = NULL, updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status IN ('pending', 'retry', 'processing', 'failed')`,
  },

  markPublished: {
    set: `status = 'published', published_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status <> 'published'`,
  },

  markFailed: {
    set: `status = 'failed', last_error = $5,
    available_at = CASE WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status IN ${UNSETTLED}`,
  },

  incrementRetry: {
    set: `retry_count = e.retry_count + 1, last_error = $5,
    status = CASE WHEN e.retry_count + 1 >= e.max_retries THEN 'failed' ELSE 'retry' END,
    scheduled_at = CASE WHEN e.retry_count + 1 >= e.max_retries THEN e.scheduled_at
      ELSE statement_timestamp() + $6::float8 * interval '1 millisecond' END,
    available_at = CASE WHEN e.retry_count + 1 < e.max_retries
        THEN statement_timestamp() + $6::float8 * interval '1 millisecond'
      WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status IN ${UNSETTLED}`,
  },

  reschedule: {
    set: `scheduled_at = $5::timestamptz,
    available_at = CASE WHEN $5::timestamptz > statement_timestamp() THEN $5::timestamptz END,
    updated_at = statement_timestamp(), generation = e.generation + 1`,
    from: `e.status IN ${UNSETTLED}`,
  },
}

/**
 * Applies what an operator asked for, where the status as it is now allows it and nobody can be sending the event, and
 * tells the owners of the lanes. The lanes are locked first: whoever claims one, or answers a hold, comes before, and is
 * seen, or after, and sees what was moved. Lanes that no worker has made yet are made, so that there is something to lock.
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

  // What is parked is in nobody's hands.
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
    const { set, from } = MOVES[move.kind]
    return { change: changeText(`UPDATE ${t.events} AS e SET ${set}`, from), busy: busyText(from) }
  }

  const liftOn = lift(t)
  return (ids, move, holds) => {
    const wanted = ids.filter(isUuid)
    const { change, busy: findBusy } = statementsOf(move)
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        await tx.query(made, [wanted])
        await tx.query(locked, [wanted, ...columnsOf(holds)])
        const closed = (await tx.query(closedText, [wanted, ...columnsOf(holds)])).map((row) => ({
          backend: row['backend'] ?? '',
          lane: Number(row['lane']),
        }))
        const lanes = [closed.map(({ backend }) => backend), closed.map(({ lane }) => lane)] as const
        const rows = await tx.query(change, [wanted, t.events, ...lanes, ...valuesOf(move)])
        const moved = rows.map(({ id }) => id ?? '')
        const left = wanted.filter((id) => !moved.includes(id.toLowerCase()))
        const busy = closed.length === 0 ? [] : await tx.query(findBusy, [left, ...lanes])
        await liftOn(
          tx,
          holds.filter((each) => !closed.some(({ backend, lane }) => backend === each.backend && lane === each.lane)),
        )
        return { moved, busy: busy.map(({ id }) => id ?? '') }
      }),
    )
  }
}

function valuesOf(move: AdminMove): readonly SqlValue[] {
  switch (move.kind) {
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
