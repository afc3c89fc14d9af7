import type { Tables } from '../tables.ts'
import { UNSETTLED } from '../values.ts'
import { FIRST_ID, LAST_ID } from './cuts.ts'

/** The smallest UUID v7 of an instant, as SQL. */
export function uuidAt(instant: string): string {
  return `encode(overlay(decode('00000000000070008000000000000000', 'hex')
    placing substring(int8send((date_part('epoch', ${instant}) * 1000)::bigint) from 3) from 1 for 6), 'hex')::uuid`
}

/**
 * The part `live` of a statement: the ranges of ids that may hold a row of the partial index of what is due, or of what is parked.
 * A range of lanes for each of 30 partitions would be read in vain; so each partition is asked once, which finds an index without
 * entries. Not asked are those of the hours around now and the default: entries of what was delivered stay there for a while, and all
 * would be passed.
 *
 * Whatever partitions there are in truth, the ranges cover each id once: a row is read wherever it is. The default holds what is before
 * `until` and after `since`; an id between them is in a range of its own. A range of its key lets the small table be read by an index, as
 * a kept plan must.
 */
export function liveRanges(t: Tables, available: 'IS NULL' | 'IS NOT NULL'): string {
  return `live AS MATERIALIZED (
  SELECT CASE WHEN p.low <= p.last THEN p.low END AS low, CASE WHEN p.low <= p.last THEN p.last END AS last,
    CASE WHEN p.low > p.last THEN p.last END AS until, CASE WHEN p.low > p.last THEN p.low END AS since
  FROM ${t.partitions} AS p
  WHERE p.low >= '${FIRST_ID}' AND p.looked_at IS NULL AND (p.low > p.last
    OR (p.low <= ${uuidAt(`statement_timestamp() + interval '1 hour'`)} AND p.last >= ${uuidAt(`statement_timestamp() - interval '1 hour'`)})
    OR EXISTS (SELECT FROM ${t.events} AS e
      WHERE e.id >= p.low AND e.id <= p.last AND e.available_at ${available} AND e.status IN ${UNSETTLED}))
  UNION ALL
  SELECT '${FIRST_ID}', '${LAST_ID}', NULL, NULL WHERE NOT EXISTS (SELECT FROM ${t.partitions})
)`
}

/** That a row `e` lies in a range. */
export function isIn(range: string): string {
  return `(e.id >= ${range}.low AND e.id <= ${range}.last OR e.id <= ${range}.until OR e.id >= ${range}.since)`
}
