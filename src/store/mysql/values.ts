import { COLUMNS, type ColumnName, FAR_FUTURE, sqlName } from '../../record/columns.ts'
import { UNSETTLED as UNSETTLED_STATUSES } from '../../record/status.ts'
import type { Readers } from '../rows.ts'
import { fromSqlDate, fromSqlId, statusList, toSqlDate } from '../values.ts'
import { Sql, utf8 } from './sql.ts'

/** The statuses of an event that is still to be delivered. */
export const UNSETTLED = new Sql(statusList(UNSETTLED_STATUSES))

/**
 * What an event waits for: the values of the column `stage`, part of the work index. NULL = published, cancelled, or
 * failed without blocking its key.
 */
export const STAGE = { hot: 1, parked: 2, retrying: 3, failed: 4 } as const

/** Now by the server's clock, with microseconds; never NOW(), which is in the session's time zone. */
export const NOW = new Sql('UTC_TIMESTAMP(6)')

/** `FAR_FUTURE` of the record, as SQL. */
export const FAR_FUTURE_SQL = new Sql(`TIMESTAMP'${toSqlDate(FAR_FUTURE)}'`)

/** Some milliseconds from now, or ago if negative: fractions to the microsecond. */
export function nowPlus(milliseconds: number): Sql {
  // `INTERVAL NaN` would name a column, and the error would say that the schema is outdated.
  if (!Number.isFinite(milliseconds)) throw new RangeError(`${milliseconds} is not a number of milliseconds`)
  return new Sql(`(UTC_TIMESTAMP(6) + INTERVAL ${Math.round(milliseconds * 1_000)} MICROSECOND)`)
}

/** For SELECTs on the caller's connection: without a LIMIT its session's `sql_select_limit` would hide rows. */
export const ALL_ROWS = '18446744073709551615'

/**
 * How many ids one statement has. MariaDB turns an IN list of 1,000 or more into a subquery
 * (in_predicate_conversion_threshold), whose plan ignores index hints.
 */
export const AT_ONCE = 500

/** A list in parts of at most AT_ONCE. */
export function slices<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, n) => all.slice(n * AT_ONCE, (n + 1) * AT_ONCE))
}

/**
 * The columns of `e`, selected so that nothing depends on how a client reads dates or JSON, nor on its connection's
 * character set, which would replace what it lacks by question marks: instants as text, all other text as bytes in
 * UTF-8. `bytes`: as they are, or as Base64 for a user's client.
 */
export function selectList(
  columns: readonly ColumnName[],
  bytes: 'raw' | 'base64',
  nameOf: (column: ColumnName) => string = (column) => column,
): Sql {
  return new Sql(columns.map((column) => `${expression(column, bytes)} AS \`${nameOf(column)}\``).join(', '))
}

/** A column of `e` as `selectList` selects it. */
export function rawOf(column: ColumnName): Sql {
  return new Sql(expression(column, 'raw'))
}

function expression(column: ColumnName, bytes: 'raw' | 'base64'): string {
  const name = `e.${sqlName(column)}`
  switch (COLUMNS[column].kind) {
    case 'id':
    case 'number':
      return name
    case 'instant':
      return `CAST(${name} AS CHAR)`
    case 'bytes':
      return bytes === 'raw' ? name : `TO_BASE64(${name})`
    default:
      return bytes === 'raw' ? utf8(new Sql(name)).text : `TO_BASE64(CONVERT(${name} USING utf8mb4))`
  }
}

/** How what `selectList` selects is read. */
export function readersOf(bytes: 'raw' | 'base64'): Readers {
  const text = bytes === 'raw' ? textOf : (value: unknown) => Buffer.from(textOf(value), 'base64').toString()
  return {
    id: (value) => fromSqlId(textOf(value)),
    number: Number,
    instant: (value) => fromSqlDate(textOf(value)),
    status: text,
    text,
    json: text,
    bytes: bytesOf,
  }
}

/** Text from the client; some give long text as bytes. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value)
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === 'string') return new Uint8Array(Buffer.from(value, 'base64'))
  return value instanceof Uint8Array ? new Uint8Array(value) : new Uint8Array(0)
}
