import type { SQLInputValue } from 'node:sqlite'
import { COLUMNS, type FilterColumn, sqlName } from '../../record/columns.ts'
import type { Condition } from '../admin-store.ts'
import { allOf as allOfSql } from '../conditions.ts'
import { toSqlDate, toSqlId } from '../values.ts'
import type { Tables } from './tables.ts'

/** A piece of SQL and the values of its placeholders. */
export interface Clause {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
}

/** The conjunction of conditions. */
export function allOf(t: Tables, conditions: readonly Condition[]): Clause {
  const values: SQLInputValue[] = []
  /** To be called in the order of the placeholders. */
  const add = (value: SQLInputValue): string => {
    values.push(value)
    return '?'
  }
  const sql = allOfSql(conditions, {
    nameOf: sqlName,
    compare: (column, operator, value) => `${sqlName(column)} ${operator} ${add(toSqlValue(column, value))}`,
    test(column, test, given) {
      const [name, text] = [sqlName(column), column === 'id' ? toSqlId(given) : given]
      switch (test) {
        case 'contains':
          return `instr(${name}, ${add(text)}) > 0`
        case 'icontains':
          return `instr(lower(${name}), lower(${add(text)})) > 0`
        case 'startsWith':
          return `substr(${name}, 1, length(${add(text)})) = ${add(text)}`
        case 'endsWith':
          return `substr(${name}, length(${name}) - length(${add(text)}) + 1) = ${add(text)}`
        case 'iexact':
          return `lower(${name}) = lower(${add(text)})`
      }
    },
    // An expression of a thousand terms is too deep for SQLite.
    oneOf: (column, given) =>
      `${sqlName(column)} IN (SELECT value FROM json_each(${add(JSON.stringify(given.map((value) => toSqlValue(column, value))))}))`,
    beside: (column, operator, id) =>
      `(${sqlName(column)}, id) ${operator} (SELECT ${sqlName(column)}, id FROM ${t.events} WHERE id = ${add(toSqlId(id))})`,
  })
  return { sql, values }
}

function toSqlValue(column: FilterColumn, value: string | number | Date): string | number {
  if (value instanceof Date) return toSqlDate(value)
  return COLUMNS[column].kind === 'id' ? toSqlId(String(value)) : value
}
