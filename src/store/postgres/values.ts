import { COLUMNS, type ColumnName, sqlName } from '../../record/columns.ts'
import { UNSETTLED as UNSETTLED_STATUSES } from '../../record/status.ts'
import type { Readers } from '../rows.ts'
import { statusList } from '../values.ts'

/**
 * The statuses of an event that is still to be delivered. Written into each query exactly as into the predicates of
 * the partial indexes: the planner proves that an index applies by comparing the two.
 */
export const UNSETTLED = statusList(UNSETTLED_STATUSES)

/** `FAR_FUTURE` of the record, as SQL. */
export const FAR_FUTURE_SQL = `timestamptz '9999-12-31 00:00:00+00'`

/**
 * Advisory lock keys of one outbox are these numbers plus the object id of its events table, which fits in the low
 * 32 bits. The high 24 bits spell "bro".
 *
 * `waiting`: held shared by relays that wait to be notified of commits.
 * `committing`: held shared by transactions from before they look for a waiting relay until their commit is over.
 * `telling`: held by the one transaction that notifies; the others leave it to that one.
 */
export const LOCK_KEYS = {
  waiting: 0x62726f00_00000000n,
  committing: 0x62726f01_00000000n,
  telling: 0x62726f02_00000000n,
} as const

/**
 * The columns of `e` as text, so that neither the client's type parsers nor the session's DateStyle and TimeZone matter:
 * instants as milliseconds since 1970, binary as Base64. `CAST` and not `::`, since these run through other people's
 * query builders too, some of which read `:name` as a parameter.
 */
export function selectList<Name extends ColumnName>(
  columns: readonly Name[],
  nameOf: (column: Name) => string = (column) => column,
): string {
  return columns.map((column) => `${textOf(column)} AS "${nameOf(column)}"`).join(', ')
}

/** A column of `e` as `selectList` selects it. */
export function textOf(column: ColumnName): string {
  return expression(column, `e.${sqlName(column)}`)
}

function expression(column: ColumnName, name: string): string {
  switch (COLUMNS[column].kind) {
    case 'bytes':
      return `encode(${name}, 'base64')`
    case 'instant':
      return `CAST(date_part('epoch', ${name}) * 1000 AS text)`
    default:
      return `CAST(${name} AS text)`
  }
}

/** How what `selectList` selects is read. */
export const READERS: Readers = {
  number: Number,
  instant: (text) => dateOf(Number(text)),
  bytes: (text) => new Uint8Array(Buffer.from(String(text), 'base64')),
}

/**
 * Microseconds are cut off, not rounded: a row shows the millisecond it is in. Half a microsecond is added first, since
 * 0.123 s times 1000 may come out as 122.99999 ms.
 */
export function dateOf(milliseconds: number): Date {
  return new Date(Math.floor(milliseconds + 0.0005))
}
