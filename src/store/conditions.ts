import { COLUMNS, type FilterColumn } from '../record/columns.ts'
import type { Condition, FilterValue } from './admin-store.ts'

export type Operator = '=' | '<' | '<=' | '>' | '>='
export type TextTest = 'contains' | 'icontains' | 'startsWith' | 'endsWith' | 'iexact'

/** Where the dialects' conditions differ: pieces of SQL. */
export interface ConditionSql {
  nameOf(column: FilterColumn): string
  /** Compares a column with a value, which is never null, and a Date only for a column of instants. */
  compare(column: FilterColumn, operator: Operator, value: string | number | Date): string
  /** By position and length and not by LIKE: `%`, `_` and backslash need no escape then. */
  test(column: FilterColumn, test: TextTest, text: string): string
  /** The column has one of these values, as one term. Undefined: compare with each. */
  oneOf(column: FilterColumn, values: readonly (string | number)[]): string | undefined
  /** The row is after (`>`) or before the row `id`. Compared in the database, which has microseconds. */
  beside(column: FilterColumn, operator: '<' | '>', id: string): string
}

const OPERATORS = { eq: '=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const

/** The conjunction of conditions, as SQL. `sql` is called in the order in which the pieces occur in it. */
export function allOf(where: readonly Condition[], sql: ConditionSql): string {
  return where.map((condition) => `(${clauseOf(condition, sql)})`).join(' AND ') || 'TRUE'
}

/** Null is a value here: `ne` and `notIn` find rows with null, as people expect, unlike in SQL. */
function clauseOf(condition: Condition, sql: ConditionSql): string {
  switch (condition.op) {
    case 'any':
      return anyOf(condition.groups.map((group) => allOf(group, sql)))
    case 'after':
    case 'before':
      return sql.beside(condition.column, condition.op === 'after' ? '>' : '<', condition.id)
    case 'isNull':
      return `${sql.nameOf(condition.column)} IS ${condition.value ? 'NULL' : 'NOT NULL'}`
    case 'in':
      return isIn(condition.column, condition.values, sql)
    case 'notIn':
      return `(${isIn(condition.column, condition.values, sql)}) IS NOT TRUE`
    case 'ne':
      return `(${compare(condition.column, '=', condition.value, sql)}) IS NOT TRUE`
    case 'eq':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return compare(condition.column, OPERATORS[condition.op], condition.value, sql)
    default:
      return sql.test(condition.column, condition.op, condition.value)
  }
}

function anyOf(clauses: readonly string[]): string {
  return clauses.map((clause) => `(${clause})`).join(' OR ') || 'FALSE'
}

function isIn(column: FilterColumn, values: readonly FilterValue[], sql: ConditionSql): string {
  const plain = values.filter((value) => value !== null && !(value instanceof Date)) as readonly (string | number)[]
  const inOne = plain.length === 0 ? undefined : sql.oneOf(column, plain)
  const others = inOne === undefined ? values : values.filter((value) => value === null || value instanceof Date)
  return anyOf([...(inOne === undefined ? [] : [inOne]), ...others.map((value) => compare(column, '=', value, sql))])
}

function compare(column: FilterColumn, operator: Operator, value: FilterValue, sql: ConditionSql): string {
  if (value === null) return operator === '=' ? `${sql.nameOf(column)} IS NULL` : 'FALSE'
  if (!(value instanceof Date)) return sql.compare(column, operator, value)
  return COLUMNS[column].kind === 'instant'
    ? compareDate(column, operator, value, sql)
    : sql.compare(column, operator, value.toISOString())
}

/**
 * A Date has the millisecond of a row's instant, so a comparison with a Date compares milliseconds: the filter
 * `createdAt: event.createdAt` finds the event. Written without a function on the column, which would rule out an
 * index.
 */
function compareDate(column: FilterColumn, operator: Operator, value: Date, sql: ConditionSql): string {
  const next = new Date(value.getTime() + 1)
  switch (operator) {
    case '=':
      return `${sql.compare(column, '>=', value)} AND ${sql.compare(column, '<', next)}`
    case '<=':
      return sql.compare(column, '<', next)
    case '>':
      return sql.compare(column, '>=', next)
    default:
      return sql.compare(column, operator, value)
  }
}
