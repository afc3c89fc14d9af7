import { BroadcasterError } from '../errors.ts'
import { attributeProblems } from '../event/attributes.ts'
import { option, required } from '../foundation/option-kinds.ts'
import { type Option, type OptionsOf, readOptions } from '../foundation/option-table.ts'

/** A text that may be empty. */
function anyText<const Fallback extends string | undefined>(
  fallback: Fallback,
  wanted = 'a text',
): Option<string, string | Fallback> {
  return option(wanted, fallback as string | Fallback, (value) => typeof value === 'string')
}

export const CAPTURE = {
  /** The table whose changes become events, as it is written in SQL; needed. */
  table: required(anyText(undefined, 'the name of a table')),
  /** Types are this and `.created`, `.updated`, `.deleted`. Default: the table. */
  type: anyText(undefined),
  /** CloudEvents `source`, at most 255 characters. Default: `/` and the table. */
  source: anyText(undefined),
  /** The column that is subject and partition key; empty = none. Default `id`. */
  key: anyText('id'),
  /** The backend, at most 100 characters. Default: the default backend. */
  backend: anyText(''),
  /** Columns to leave out of events. Default: none. */
  omit: option<readonly string[]>('a list of names', [], (value) => {
    return Array.isArray(value) && value.every((name) => typeof name === 'string')
  }),
}
/** How changes of a table's rows become events, for `broadcaster capture`. */
export type CaptureOptions = OptionsOf<typeof CAPTURE>

/** The longest ending: a type must fit its column together with it. */
const LONGEST_ENDING = '.updated'
/** The width of the column. */
const TYPE_WIDTH = 255
const SOURCE_WIDTH = 255
const BACKEND_WIDTH = 100

/**
 * The options, each with a value. Throws `INVALID_OPTION` for a type, source or backend with which every change of the
 * table would be refused: otherwise that would show only when the trigger fires, in somebody's transaction.
 */
export function resolveCapture(options: CaptureOptions) {
  return readOptions('the capture', CAPTURE, options, (read, { refuse }) => {
    const { table, type = table, source = `/${encodeURIComponent(table)}`, key, backend, omit } = read
    const attributes = { specversion: '1.0', id: 'x', type: type + LONGEST_ENDING, source }
    for (const { field, message, value } of attributeProblems(attributes)) {
      refuse(field as 'type' | 'source', message, field === 'type' ? type : value)
    }
    const atMost = (field: 'type' | 'source' | 'backend', value: string, most: number): void => {
      const { length } = Array.from(value)
      if (length > most) refuse(field, `has ${length} characters; at most ${most} fit`, value)
    }
    atMost('type', type, TYPE_WIDTH - LONGEST_ENDING.length)
    atMost('source', source, SOURCE_WIDTH)
    atMost('backend', backend, BACKEND_WIDTH)
    if (type === '') refuse('type', 'is empty; give a text', type)
    return { table, type, source, key, backend, omit }
  })
}

/** A text as an SQL literal. Backslashes are doubled where the dialect reads them. */
export function literalOf(text: string, backslashes: boolean): string {
  const quoted = text.replaceAll("'", "''")
  return `'${backslashes ? quoted.replaceAll('\\', '\\\\') : quoted}'`
}

/** A column of the table, `type` as the database names it. */
export interface CapturedColumn {
  readonly name: string
  readonly type: string
}

/**
 * The columns that events show, from rows of (name, type) in the table's order. Throws `INVALID_OPTION` for a table or
 * column that does not exist.
 */
export function captureColumns(
  rows: readonly Readonly<Record<string, unknown>>[],
  { table, key, omit }: { readonly table: string; readonly key: string; readonly omit: readonly string[] },
): readonly CapturedColumn[] {
  const columns = rows.map((row) => ({ name: String(row['name']), type: String(row['type']) }))
  const names = columns.map(({ name }) => name)
  const refuse = (field: string, value: string, message: string): never => {
    throw new BroadcasterError('INVALID_OPTION', `${field} is ${value}; ${message}`, { field, value })
  }
  if (names.length === 0) refuse('table', table, 'there is no such table in this database')
  for (const name of omit) if (!names.includes(name)) refuse('omit', name, `${table} has ${names.join(', ')}`)
  if (key !== '' && !names.includes(key)) {
    refuse('key', key, `${table} has ${names.join(', ')}; name one, or give an empty key for events without one`)
  }
  return columns.filter(({ name }) => !omit.includes(name))
}
