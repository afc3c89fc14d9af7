import {
  COLUMNS,
  type ColumnKind,
  type ColumnName,
  type OutboxEventColumns,
  SEND_COLUMNS,
  type SendRow,
} from '../record/columns.ts'
import type { FetchedRow } from './relay-store.ts'
import type { Row } from './statement.ts'

/** How a dialect reads values by the kind of their column; not called for null. Left out = unchanged. */
export type Readers = { readonly [Kind in ColumnKind]?: (value: unknown) => unknown }

/** A column's name in rows from users' clients, which is safe from those that turn snake_case into camelCase. */
export function plainName(column: ColumnName): string {
  return column.toLowerCase()
}

/**
 * Reads rows with the columns' own names, in place: no new object per row. Made once per statement: works out here what
 * each column needs.
 */
export function rowReader<Name extends ColumnName>(
  columns: readonly Name[],
  readers: Readers,
): (row: Record<string, unknown>) => Pick<OutboxEventColumns, Name> {
  const parts = columns.flatMap((column) => {
    const read = readers[COLUMNS[column].kind]
    return read === undefined ? [] : [{ column, read }]
  })
  return (row) => {
    for (const { column, read } of parts) {
      const value = row[column]
      if (value !== null) row[column] = read(value)
    }
    return row as Pick<OutboxEventColumns, Name>
  }
}

/**
 * Reads rows of a fetch in place: the columns that are sent, and `withheld`. `usual`: what a null stands for in columns
 * that hold none, where the statement leaves out what is the same in nearly all rows.
 */
export function fetchedReader(readers: Readers, usual: Partial<SendRow> = {}): (row: object) => FetchedRow {
  const read = rowReader(SEND_COLUMNS, readers)
  const left = Object.entries(usual)
  return (row) => {
    const given = row as Record<string, unknown>
    for (const [column, value] of left) given[column] ??= value
    if (given['withheld'] !== null) given['withheld'] = Number(given['withheld'])
    return read(given) as FetchedRow
  }
}

/** Like `rowReader`, for rows whose columns are named by `nameOf`. */
export function namedRowReader<Name extends ColumnName>(
  columns: readonly Name[],
  readers: Readers,
  nameOf: (column: Name) => string = plainName,
): (row: Row) => Pick<OutboxEventColumns, Name> {
  const read = rowReader(columns, readers)
  const names = columns.map((column) => [column, nameOf(column)] as const)
  return (row) => {
    const named: Record<string, unknown> = {}
    for (const [column, name] of names) named[column] = row[name] ?? null
    return read(named)
  }
}
