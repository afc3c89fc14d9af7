import { BroadcasterError } from '../errors.ts'

/**
 * The columns that events show, in the table's order. Throws `INVALID_OPTION` for a table or a column that is not
 * there. For databases whose triggers must name each column.
 */
export function captureColumns<Column extends { readonly name: string }>(
  columns: readonly Column[],
  { table, key, omit }: { readonly table: string; readonly key: string; readonly omit: readonly string[] },
): readonly Column[] {
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
