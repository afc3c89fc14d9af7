import type { AdminMove } from '../admin-store.ts'
import type { Client, SqlValue } from './client.ts'
import { FAR_FUTURE_SQL, UNSETTLED } from './literals.ts'
import { raiseAttention } from './raise-attention.ts'
import type { Tables } from './tables.ts'
import { isUuid } from './uuid.ts'

/** What each move writes, and to which events; `$3` and `$4` are the move's own values. */
const MOVES: Readonly<Record<AdminMove['kind'], string>> = {
  requeue: `
  SET status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status IN ('failed', 'cancelled', 'retry')`,

  replay: `
  SET status = 'pending', retry_count = 0, scheduled_at = statement_timestamp(), available_at = NULL,
    published_at = NULL, updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status = 'published'`,

  skip: `
  SET available_at = NULL, updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status = 'failed'`,

  cancel: `
  SET status = 'cancelled', available_at = NULL, updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status IN ('pending', 'retry', 'processing', 'failed')`,

  markPublished: `
  SET status = 'published', published_at = statement_timestamp(), available_at = NULL,
    updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status <> 'published'`,

  markFailed: `
  SET status = 'failed', last_error = $3,
    available_at = CASE WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status IN ${UNSETTLED}`,

  incrementRetry: `
  SET retry_count = e.retry_count + 1, last_error = $3,
    status = CASE WHEN e.retry_count + 1 >= e.max_retries THEN 'failed' ELSE 'retry' END,
    scheduled_at = CASE WHEN e.retry_count + 1 >= e.max_retries THEN e.scheduled_at
      ELSE statement_timestamp() + $4::float8 * interval '1 millisecond' END,
    available_at = CASE WHEN e.retry_count + 1 < e.max_retries
        THEN statement_timestamp() + $4::float8 * interval '1 millisecond'
      WHEN e.partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END,
    updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status IN ${UNSETTLED}`,

  reschedule: `
  SET scheduled_at = $3::timestamptz,
    available_at = CASE WHEN $3::timestamptz > statement_timestamp() THEN $3::timestamptz END,
    updated_at = statement_timestamp(), generation = e.generation + 1
  WHERE e.id = ANY ($1::uuid[]) AND e.status IN ${UNSETTLED}`,
}

/** Applies what an operator asked for, where the status as it is now allows it, and tells the owners of the lanes. */
export function move(client: Client, t: Tables) {
  return async (ids: readonly string[], move: AdminMove): Promise<readonly string[]> => {
    const text = `
WITH changed AS (
  UPDATE ${t.events} AS e${MOVES[move.kind]}
  RETURNING e.id, e.publisher_backend, e.lane
), ${raiseAttention(t)}
SELECT changed.id FROM changed, told`
    const rows = await client.query(text, [ids.filter(isUuid), t.events, ...valuesOf(move)])
    return rows.map(({ id }) => id ?? '')
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
