/*
 * Conditions and expressions on a row that may be settled, as SQL.
 */

/** When a row was settled. */
export function settledAt(row: string): string {
  return `CASE WHEN ${row}.status = 'published' THEN coalesce(${row}.published_at, ${row}.updated_at) ELSE ${row}.updated_at END`
}
/** Whether a key waits for it. */
export function blocks(row: string): string {
  return `(${row}.status = 'failed' AND ${row}.available_at IS NOT NULL)`
}

/** Whether it is one of those that are counted: its id begins with a time, as that of a v7, and no key waits for it. */
export function counts(row: string): string {
  return `(substring(${row}.id::text from 15 for 1) = '7' AND NOT ${blocks(row)})`
}

/**
 * What differs when a row was moved or settled anew. It is asked of the row itself by whatever locks or deletes it: PostgreSQL
 * looks again, after a wait, at conditions on that row alone, and an operator may have requeued it meanwhile.
 */
export function version(row: string): string {
  return `${row}.status || ' ' || ${row}.generation || ' ' || (date_part('epoch', ${settledAt(row)}) * 1000000)::bigint`
}
