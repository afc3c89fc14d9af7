import type { AdminMove } from '../admin-store.ts'
import type { Client } from './client.ts'
import { FAR_FUTURE_SQL, NOW, nowPlus, toSqlDate, UNSETTLED } from './literals.ts'
import { lockLanes, PLACE, type Place, placeOf, placesOf, raiseAttention } from './raise-attention.ts'
import { slices } from './slices.ts'
import { type Sql, sql } from './sql.ts'
import { runAgainOnConflict } from './store-error.ts'
import type { Tables } from './tables.ts'
import { fromSqlId, isUuid, toSqlId } from './uuid.ts'

/** A failed event blocks its key, if it has one, until somebody releases it. */
const BLOCKING = sql`CASE WHEN partition_key IS NOT NULL THEN ${FAR_FUTURE_SQL} END`
const AGAIN = sql`status = 'pending', retry_count = 0, scheduled_at = ${NOW}, available_at = NULL, updated_at = ${NOW}`

/** What a move writes. MySQL assigns from left to right, so what another assignment reads comes after it. */
function changesOf(move: AdminMove): Sql {
  switch (move.kind) {
    case 'requeue':
      return AGAIN
    case 'replay':
      return sql`${AGAIN}, published_at = NULL`
    case 'skip':
      return sql`available_at = NULL, updated_at = ${NOW}`
    case 'cancel':
      return sql`status = 'cancelled', available_at = NULL, updated_at = ${NOW}`
    case 'markPublished':
      return sql`status = 'published', published_at = ${NOW}, available_at = NULL, updated_at = ${NOW}`
    case 'markFailed':
      return sql`status = 'failed', last_error = ${move.error}, available_at = ${BLOCKING}, updated_at = ${NOW}`
    case 'incrementRetry': {
      const due = nowPlus(move.delay)
      const exhausted = sql`retry_count + 1 >= max_retries`
      return sql`status = CASE WHEN ${exhausted} THEN 'failed' ELSE 'retry' END, last_error = ${move.error},
  scheduled_at = CASE WHEN ${exhausted} THEN scheduled_at ELSE ${due} END,
  available_at = CASE WHEN ${exhausted} THEN ${BLOCKING} ELSE ${due} END,
  retry_count = retry_count + 1, updated_at = ${NOW}`
    }
    case 'reschedule': {
      const at = sql`CAST(${toSqlDate(move.at)} AS DATETIME(6))`
      return sql`scheduled_at = ${at}, available_at = CASE WHEN ${at} > ${NOW} THEN ${at} END, updated_at = ${NOW}`
    }
  }
}

/** From which statuses each move leads. */
const FROM: Readonly<Record<AdminMove['kind'], Sql>> = {
  requeue: sql`status IN ('failed', 'cancelled', 'retry')`,
  replay: sql`status = 'published'`,
  skip: sql`status = 'failed'`,
  cancel: sql`status IN ('pending', 'retry', 'processing', 'failed')`,
  markPublished: sql`status <> 'published'`,
  markFailed: sql`status IN ${UNSETTLED}`,
  incrementRetry: sql`status IN ${UNSETTLED}`,
  reschedule: sql`status IN ${UNSETTLED}`,
}

/** Applies what an operator asked for, where the status as it is now allows it, and tells the owners of the lanes. */
export function move(client: Client, t: Tables) {
  return async (ids: readonly string[], move: AdminMove): Promise<readonly string[]> => {
    const wanted = [...new Set(ids.filter(isUuid).map(toSqlId))].sort()
    if (wanted.length === 0) return []
    return runAgainOnConflict(() =>
      client.transaction(async (tx) => {
        await lockLanes(tx, t, await placesOf(tx, t, wanted))
        const moved: string[] = []
        const places: Place[] = []
        for (const ids of slices(wanted)) {
          const rows = await tx.query(sql`
SELECT id, ${PLACE} FROM ${t.events} FORCE INDEX (PRIMARY) WHERE id IN (${ids}) AND ${FROM[move.kind]} FOR UPDATE`)
          if (rows.length === 0) continue
          const these = rows.map((row) => String(row['id']))
          await tx.run(sql`UPDATE ${t.events} FORCE INDEX (PRIMARY) SET ${changesOf(move)}, generation = generation + 1
WHERE id IN (${these})`)
          moved.push(...these.map(fromSqlId))
          places.push(...rows.map(placeOf))
        }
        await raiseAttention(tx, t, places)
        return moved
      }),
    )
  }
}
