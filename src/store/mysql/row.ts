import type { ColumnName, OutboxEventColumns } from '../../record/columns.ts'
import { sqlName } from '../../record/columns.ts'
import { Sql } from './sql.ts'
import { fromSqlId } from './uuid.ts'

const DATES: ReadonlySet<ColumnName> = new Set(['createdAt', 'updatedAt', 'scheduledAt', 'publishedAt', 'availableAt'])
const NUMBERS: ReadonlySet<ColumnName> = new Set(['seq', 'lane', 'retryCount', 'maxRetries', 'generation'])
const JSONS: ReadonlySet<ColumnName> = new Set(['data', 'extensions', 'publisherConfig', 'attempts', 'progress'])

/**
 * The columns of `e`, so that nothing depends on how a client reads dates or JSON: instants as text, JSON as text also
 * where Django made the column of that type. `bytes`: as they are, or as Base64 where the client is another's.
 */
export function selectList(
  columns: readonly ColumnName[],
  alias: (column: ColumnName) => string,
  bytes: 'raw' | 'base64',
): Sql {
  return new Sql(columns.map((column) => `${expression(column, bytes)} AS \`${alias(column)}\``).join(', '))
}

function expression(column: ColumnName, bytes: 'raw' | 'base64'): string {
  const name = `e.${sqlName(column)}`
  if (column === 'dataBinary') return bytes === 'raw' ? name : `TO_BASE64(${name})`
  return DATES.has(column) || JSONS.has(column) ? `CAST(${name} AS CHAR)` : name
}

/**
 * Reads an instant of the table, written as text. Microseconds are cut off, not rounded: a row shows the millisecond it
 * is in. Some servers leave a fraction of zero out.
 */
export function dateOf(text: string): Date {
  return new Date(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`)
}

/** Reads a row of `selectList`. Made once for a statement: what each column needs is worked out here. */
export function rowReader<Name extends ColumnName>(
  columns: readonly Name[],
  alias: (column: Name) => string,
): (row: Readonly<Record<string, unknown>>) => Pick<OutboxEventColumns, Name> {
  const parts = columns.map((column) => ({ column, from: alias(column), read: readerOf(column) }))
  return (row) => {
    const read: Partial<Record<ColumnName, unknown>> = {}
    for (const part of parts) {
      const value = row[part.from]
      read[part.column] = value === null ? null : part.read(value)
    }
    return read as Pick<OutboxEventColumns, Name>
  }
}

function readerOf(column: ColumnName): (value: unknown) => unknown {
  if (column === 'id') return (value) => fromSqlId(textOf(value))
  if (DATES.has(column)) return (value) => dateOf(textOf(value))
  if (NUMBERS.has(column)) return Number
  if (column === 'dataBinary') return bytesOf
  return textOf
}

/** Text as the client gave it; some give long text as bytes. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value)
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === 'string') return new Uint8Array(Buffer.from(value, 'base64'))
  return value instanceof Uint8Array ? new Uint8Array(value) : new Uint8Array(0)
}
