import { FAR_FUTURE } from '../../record/columns.ts'
import { Sql } from './sql.ts'

/** The statuses of an event that is still to be delivered. */
export const UNSETTLED = new Sql("('pending', 'retry', 'processing')")

/**
 * Where an event stands: what the column `stage` holds, and the work index is made of. NULL = published, cancelled, or
 * failed without blocking anything that an operator has not seen to.
 */
export const STAGE = { hot: 1, parked: 2, retrying: 3, failed: 4 } as const

/** Now, by the server's clock: never NOW(), which is the session's time zone. Microseconds. */
export const NOW = new Sql('UTC_TIMESTAMP(6)')

/** An instant as a DATETIME(6) in UTC. */
export function toSqlDate(date: Date): string {
  return `${date.toISOString().slice(0, 23).replace('T', ' ')}000`
}

/** `FAR_FUTURE` of the record, as SQL. */
export const FAR_FUTURE_SQL = new Sql(`TIMESTAMP'${toSqlDate(FAR_FUTURE)}'`)

/** Some milliseconds from now, or before: fractions to the microsecond. */
export function nowPlus(milliseconds: number): Sql {
  // `INTERVAL NaN` would name a column, and the error say that the schema is outdated.
  if (!Number.isFinite(milliseconds)) throw new RangeError(`${milliseconds} is no number of milliseconds`)
  return new Sql(`(UTC_TIMESTAMP(6) + INTERVAL ${Math.round(milliseconds * 1_000)} MICROSECOND)`)
}

/** Of a SELECT on the caller's connection: without a LIMIT, `sql_select_limit` of its session would hide rows. */
export const ALL_ROWS = '18446744073709551615'
