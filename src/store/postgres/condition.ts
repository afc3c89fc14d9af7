import { sqlName } from '../../record/columns.ts'
import type { Condition, FilterColumn, FilterValue } from '../admin-store.ts'
import type { SqlValue } from './client.ts'
import type { Tables } from './tables.ts'
import { isUuid } from './uuid.ts'

/** Collects the values of a statement and hands out their placeholders. */
export class Parameters {
  readonly values: SqlValue[] = []

  add(value: SqlValue): string {
    this.values.push(value)
    return `$${this.values.length}`
  }
}

type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte'

const OPERATOR: Readonly<Record<Comparison, string>> = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' }
const NUMBERS: ReadonlySet<FilterColumn> = new Set(['seq', 'lane', 'retryCount', 'maxRetries', 'generation'])
const DATES: ReadonlySet<FilterColumn> = new Set([
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'availableAt',
])

/** The conjunction of conditions on `e`, as SQL. */
export function compileConditions(where: readonly Condition[], t: Tables, parameters: Parameters): string {
  if (where.length === 0) return 'TRUE'
  return where.map((condition) => `(${compile(condition, t, parameters)})`).join(' AND ')
}

/** How a column sorts: text by its bytes, so that the order is the same on every database. */
export function sortExpression(column: FilterColumn): string {
  return isText(column) ? `${nameOf(column)} COLLATE "C"` : nameOf(column)
}

function compile(condition: Condition, t: Tables, parameters: Parameters): string {
  switch (condition.op) {
    case 'any':
      return condition.groups.map((group) => `(${compileConditions(group, t, parameters)})`).join(' OR ') || 'FALSE'
    case 'after':
    case 'before': {
      if (!isUuid(condition.id)) return 'FALSE'
      const column = sqlName(condition.column)
      const operator = condition.op === 'after' ? '>' : '<'
      // Compared in the database: it knows microseconds, a Date does not.
      return `(e.${column}, e.id) ${operator} (
        SELECT p.${column}, p.id FROM ${t.events} AS p WHERE p.id = ${parameters.add(condition.id)}::uuid)`
    }
    case 'isNull':
      return `${nameOf(condition.column)} IS ${condition.value ? '' : 'NOT '}NULL`
    case 'in':
      if (condition.column === 'id') return isOneOf(condition.values, parameters)
      return condition.values.map((value) => compare(condition.column, 'eq', value, parameters)).join(' OR ') || 'FALSE'
    case 'notIn':
      if (condition.column === 'id') return `NOT ${isOneOf(condition.values, parameters)}`
      return condition.values.map((value) => compare(condition.column, 'ne', value, parameters)).join(' AND ') || 'TRUE'
    case 'contains':
    case 'icontains':
    case 'startsWith':
    case 'endsWith':
    case 'iexact':
      return compareText(condition.column, condition.op, condition.value, parameters)
    default:
      return compare(condition.column, condition.op, condition.value, parameters)
  }
}

/** One term for all ids: with one for each the planner takes longer over hundreds than the server over their rows. */
function isOneOf(values: readonly FilterValue[], parameters: Parameters): string {
  const ids = values.filter((value) => typeof value === 'string').filter(isUuid)
  return `e.id = ANY (${parameters.add(ids)}::uuid[])`
}

function compare(column: FilterColumn, op: Comparison, value: FilterValue, parameters: Parameters): string {
  const name = nameOf(column)
  if (value === null) return op === 'eq' ? `${name} IS NULL` : op === 'ne' ? `${name} IS NOT NULL` : 'FALSE'
  // Null differs from every value.
  if (op === 'ne') return `(${compare(column, 'eq', value, parameters)}) IS NOT TRUE`
  if (DATES.has(column) && value instanceof Date) return compareDate(name, op, value, parameters)
  const text = value instanceof Date ? value.toISOString() : String(value)
  if (column === 'id') {
    if (isUuid(text)) return `${name} ${OPERATOR[op]} ${parameters.add(text)}::uuid`
    return op === 'eq' ? 'FALSE' : `${name}::text COLLATE "C" ${OPERATOR[op]} ${parameters.add(text)}`
  }
  if (NUMBERS.has(column)) {
    const number = Number(value)
    return `${name} ${OPERATOR[op]} ${parameters.add(number)}::${Number.isSafeInteger(number) ? 'bigint' : 'float8'}`
  }
  if (DATES.has(column)) return `${name} ${OPERATOR[op]} ${parameters.add(text)}::timestamptz`
  return op === 'eq'
    ? `${name} = ${parameters.add(text)}`
    : `${name} COLLATE "C" ${OPERATOR[op]} ${parameters.add(text)}`
}

/**
 * A Date shows the millisecond that a row's instant is in, so a comparison with a Date compares milliseconds: the
 * filter `createdAt: event.createdAt` finds the event. Written so that no function hides the column.
 */
function compareDate(name: string, op: Exclude<Comparison, 'ne'>, value: Date, parameters: Parameters): string {
  const at = (milliseconds: number): string =>
    `${parameters.add(new Date(value.getTime() + milliseconds).toISOString())}::timestamptz`
  switch (op) {
    case 'eq':
      return `${name} >= ${at(0)} AND ${name} < ${at(1)}`
    case 'lt':
      return `${name} < ${at(0)}`
    case 'lte':
      return `${name} < ${at(1)}`
    case 'gt':
      return `${name} >= ${at(1)}`
    case 'gte':
      return `${name} >= ${at(0)}`
  }
}

/** By position and length and not by LIKE: `%` and `_` need no escape then. */
function compareText(
  column: FilterColumn,
  op: 'contains' | 'icontains' | 'startsWith' | 'endsWith' | 'iexact',
  value: string,
  parameters: Parameters,
): string {
  const text = isText(column) ? nameOf(column) : `${nameOf(column)}::text`
  const wanted = `${parameters.add(value)}::text`
  switch (op) {
    case 'contains':
      return `strpos(${text}, ${wanted}) > 0`
    case 'icontains':
      return `strpos(lower(${text}), lower(${wanted})) > 0`
    case 'startsWith':
      return `starts_with(${text}, ${wanted})`
    case 'endsWith':
      return `right(${text}, length(${wanted})) = ${wanted}`
    case 'iexact':
      return `lower(${text}) = lower(${wanted})`
  }
}

function nameOf(column: FilterColumn): string {
  return `e.${sqlName(column)}`
}

function isText(column: FilterColumn): boolean {
  return column !== 'id' && !NUMBERS.has(column) && !DATES.has(column)
}
