import type { ColumnName, OutboxEventColumns } from '../../record/columns.ts'
import { sqlName } from '../../record/columns.ts'
import type { Row } from '../statement.ts'

const NUMBERS = ['seq', 'lane', 'retryCount', 'maxRetries', 'generation'] as const satisfies readonly ColumnName[]
const DATES = [
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'availableAt',
] as const satisfies readonly ColumnName[]

/**
 * The columns as text, so that neither the client's type parsers nor the session's DateStyle and TimeZone matter:
 * instants as milliseconds since 1970, binary as Base64. `CAST` and not `::`, since these run through other people's
 * query builders too, some of which read `:name` as a parameter.
 */
export function selectList(columns: readonly ColumnName[], alias: (column: ColumnName) => string): string {
  return columns.map((column) => `${expression(column)} AS "${alias(column)}"`).join(', ')
}

function expression(column: ColumnName): string {
  const name = `e.${sqlName(column)}`
  if (column === 'dataBinary') return `encode(${name}, 'base64')`
  if ((DATES as readonly ColumnName[]).includes(column)) return millisecondsOf(name)
  return `CAST(${name} AS text)`
}

/** SQL for an instant as milliseconds since 1970, to be read by `dateOf`. */
export function millisecondsOf(expression: string): string {
  return `CAST(date_part('epoch', ${expression}) * 1000 AS text)`
}

/**
 * Reads what `millisecondsOf` wrote. Microseconds are cut off, not rounded: a row shows the millisecond it is in. Half
 * a microsecond is added first, since 0.123 s times 1000 may come out as 122.99999 ms.
 */
export function dateOf(text: string): Date {
  return new Date(Math.floor(Number(text) + 0.0005))
}

/** Turns a row read with `selectList` and the columns' own names into columns, in place: one object a row. */
export function decodeColumns(row: Record<string, unknown>): Partial<OutboxEventColumns> {
  for (const name of NUMBERS) {
    const text = row[name]
    if (typeof text === 'string') row[name] = Number(text)
  }
  for (const name of DATES) {
    const text = row[name]
    if (typeof text === 'string') row[name] = dateOf(text)
  }
  const binary = row['dataBinary']
  if (typeof binary === 'string') row['dataBinary'] = new Uint8Array(Buffer.from(binary, 'base64'))
  return row as Partial<OutboxEventColumns>
}

/** A column of a row that came through someone else's client, as text. */
export function textOf(row: Row, column: string): string {
  const value = row[column]
  return typeof value === 'string' ? value : String(value)
}
