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

/** How a dialect reads what it selected, by the kind of column; never asked for a null. Left out = it comes as it is. */
export type Readers = { readonly [Kind in ColumnKind]?: (value: unknown) => unknown }

/** A name for a column in rows that come through other people's clients: those that turn snake_case into camelCase leave it alone. */
export function plainName(column: ColumnName): string {
  return column.toLowerCase()
}

/**
 * Reads rows whose columns have their own names, in place: one object a row. Made once for a statement: what each column needs
 * is worked out here.
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
 * Rows of a fetch, in place: the columns that are sent, and `withheld`. `usual`: what a null stands for in columns that hold none,
 * where the statement leaves out what is the same in nearly all rows.
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

/** The same as `rowReader` for rows whose columns are named by `nameOf`. */
export function namedRowReader<Name extends ColumnName>(
  columns: readonly Name[],
  readers: Readers,
  nameOf: (column: Name) => string = plainName,
): (row: Row) => Pick<OutboxEventColumns, Name> {
  const read = rowReader(columns, readers)
  const names = columns.map((column) => [column, nameOf(column)] as const)
  return (row) => read(Object.fromEntries(names.map(([column, name]) => [column, row[name] ?? null])))
}
