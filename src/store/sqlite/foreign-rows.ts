import { type ColumnName, type OutboxEventColumns, sqlName } from '../../record/columns.ts'
import type { Row } from '../statement.ts'
import { fromSqlDate, fromSqlId } from './values.ts'

const NUMBERS: ReadonlySet<ColumnName> = new Set(['seq', 'lane', 'retryCount', 'maxRetries', 'generation'])
const DATES: ReadonlySet<ColumnName> = new Set(['createdAt', 'updatedAt', 'scheduledAt', 'publishedAt', 'availableAt'])

/** Libraries that turn snake_case into camelCase leave a name of lower-case letters alone. */
const aliasOf = (column: ColumnName): string => column.toLowerCase()

/**
 * The select list of statements that run through other people's clients: everything is text, for Prisma turns what a
 * column declared as DATETIME holds into a Date and every integer into a BigInt, and libraries differ on bytes.
 */
export function foreignSelectList(names: readonly ColumnName[]): string {
  return names.map((name) => `${expression(name)} AS ${aliasOf(name)}`).join(', ')
}

function expression(name: ColumnName): string {
  const column = sqlName(name)
  // hex(NULL) is ''.
  if (name === 'dataBinary') return `CASE WHEN ${column} IS NOT NULL THEN hex(${column}) END`
  return `CAST(${column} AS TEXT)`
}

/** Reads rows that were selected with `foreignSelectList`. Made once for a statement: names are worked out here. */
export function foreignReader<Name extends ColumnName>(
  names: readonly Name[],
): (row: Row) => Pick<OutboxEventColumns, Name> {
  const parts = names.map((name) => ({ name, alias: aliasOf(name), read: readerOf(name) }))
  return (row) => {
    const columns: Partial<Record<ColumnName, unknown>> = {}
    for (const { name, alias, read } of parts) {
      const value = row[alias]
      columns[name] = value === null || value === undefined ? null : read(String(value))
    }
    return columns as Pick<OutboxEventColumns, Name>
  }
}

function readerOf(name: ColumnName): (text: string) => unknown {
  if (name === 'id') return fromSqlId
  if (name === 'dataBinary') return (text) => new Uint8Array(Buffer.from(text, 'hex'))
  if (NUMBERS.has(name)) return Number
  return DATES.has(name) ? fromSqlDate : (text) => text
}
