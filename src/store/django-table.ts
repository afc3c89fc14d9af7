import { BroadcasterError } from '../errors.ts'
import { COLUMN_NAMES, COLUMNS, type ColumnName, sqlName } from '../record/columns.ts'

/** The columns of the table that Django Broadcaster makes, in its order. */
const DJANGO = COLUMN_NAMES.filter((name) => !('added' in COLUMNS[name]))

/** Their names. */
export const DJANGO_COLUMNS: readonly string[] = DJANGO.map(sqlName)

/** The type that a column must have for us to deliver its rows. */
export interface WantedType {
  /** For the message. */
  readonly said: string
  fits(type: string): boolean
}

/** The type that Django gives each kind in a database; `text` is text of any length. */
export interface DjangoTypes extends Readonly<Record<'id' | 'number' | 'instant' | 'json' | 'text', WantedType>> {
  varchar(width: number): WantedType
}

function wantedOf(name: ColumnName, types: DjangoTypes): WantedType {
  const { kind, ...column } = COLUMNS[name]
  if ('width' in column) return types.varchar(column.width)
  return kind === 'status' || kind === 'bytes' ? types.text : types[kind]
}

export function exactly(type: string): WantedType {
  return { said: type, fits: (found) => found === type }
}

/** A column as the database describes it. */
export interface FoundColumn {
  readonly name: string
  readonly type: string
  readonly required: boolean
  /** Whether it is the primary key, or part of it. */
  readonly isKey: boolean
}

/**
 * Throws `TAKEOVER_REFUSED`, naming the column, unless these are the columns of a table that Django Broadcaster made.
 * `refuse` says what is wrong with one that is not Django's; undefined = nothing.
 */
export function recogniseColumns<Column extends FoundColumn>(
  table: string,
  columns: readonly Column[],
  types: DjangoTypes,
  refuse: (column: Column) => string | undefined,
): void {
  const found = new Map(columns.map((column) => [column.name, column]))
  for (const each of DJANGO) {
    const [name, wanted] = [sqlName(each), wantedOf(each, types)]
    const column = found.get(name)
    if (column === undefined) throw takeOverRefused(table, name, undefined, `is missing; it should be ${wanted.said}`)
    checkType(table, column, wanted)
    if (!COLUMNS[each].nullable && !column.required)
      throw takeOverRefused(table, name, 'NULL', 'may be NULL; it should be NOT NULL')
  }
  for (const column of columns) {
    const { name, type, isKey } = column
    const wrong = DJANGO_COLUMNS.includes(name) ? undefined : refuse(column)
    if (wrong !== undefined) throw takeOverRefused(table, name, type, wrong)
    if ((name === 'id') !== isKey)
      throw takeOverRefused(table, name, undefined, isKey ? 'is part of the primary key' : 'is not the primary key')
  }
}

/** Throws `TAKEOVER_REFUSED` for a column of another type. */
export function checkType(table: string, { name, type }: FoundColumn, { said, fits }: WantedType): void {
  if (!fits(type)) throw takeOverRefused(table, name, type, `is ${type}; it should be ${said}`)
}

export function takeOverRefused(table: string, field: string, value: unknown, message: string): BroadcasterError {
  return new BroadcasterError(
    'TAKEOVER_REFUSED',
    `${table} is there already, and not a table of Django Broadcaster: ${field} ${message}. Give the outbox another \`table\`, or rename that one`,
    { field, value },
  )
}
