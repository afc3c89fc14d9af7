import { canonicalUuid } from '../event/uuid.ts'
import { type Problem, showValue, throwProblems } from '../foundation/problem.ts'
import { suggestion } from '../foundation/suggestion.ts'
import { COLUMNS, FILTER_COLUMNS, type FilterColumn } from '../record/columns.ts'
import type { RecordFilter } from '../record/record-source.ts'
import { isStatus, STATUSES } from '../record/status.ts'
import type { Condition, FilterValue } from '../store/admin-store.ts'
import { notAColumn } from './not-a-column.ts'
import { isStorableDate } from './storable-date.ts'

type Kind = (typeof COLUMNS)[FilterColumn]['kind']

const EXPECTED: Readonly<Record<Kind, string>> = {
  id: 'a UUID',
  text: 'a text',
  status: `one of ${STATUSES.join(', ')}`,
  number: 'a whole number',
  instant: 'a Date of the years 1 to 9999',
}

const COMPARISONS = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte'] as const
const LISTS = ['in', 'notIn'] as const
const TEXTS = ['contains', 'icontains', 'startsWith', 'endsWith', 'iexact'] as const
const OPERATORS: readonly string[] = [...COMPARISONS, ...LISTS, ...TEXTS, 'isNull']

/** A condition that silently falls away makes a filter mean more than was said, up to everything. */
const NO_CONDITION = 'is undefined, which is not a condition; leave it out, or give a value'

/**
 * The conditions of a filter, for a store. Nulls count as values here (`ne: 'a'` takes a null column too), so a store
 * never compares with null. Throws one `INVALID_OPTION` that lists every unknown column, operator and wrong value, and
 * every condition that is `undefined`.
 */
export function compileFilter(filter: RecordFilter): readonly Condition[] {
  const problems: Problem[] = []
  const conditions: Condition[] = []
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) {
    const message = `is ${showValue(filter)}; give an object of columns and conditions`
    throwProblems('the selection', [{ code: 'INVALID_OPTION', field: 'filter', value: filter, message }])
  }
  for (const [name, wanted] of Object.entries(filter)) {
    const message = columnProblem(name)
    if (message === undefined) conditions.push(...compileColumn(name as FilterColumn, wanted, problems))
    else problems.push({ code: 'INVALID_OPTION', field: name, value: wanted, message })
  }
  throwProblems('the filter', problems)
  return conditions
}

/** What is wrong with a column named in a filter or an order; undefined = nothing. */
export function columnProblem(name: string): string | undefined {
  if (FILTER_COLUMNS.includes(name as FilterColumn)) return undefined
  if (Object.hasOwn(COLUMNS, name)) return 'holds JSON or bytes; compare by another column'
  return notAColumn(name, FILTER_COLUMNS)
}

/** Whether a column may be null. */
export function isNullable(column: FilterColumn): boolean {
  return COLUMNS[column].nullable
}

function compileColumn(column: FilterColumn, wanted: unknown, problems: Problem[]): Condition[] {
  const report = (field: string, value: unknown, message: string): Condition[] => {
    problems.push({ code: 'INVALID_OPTION', field, value, message })
    return []
  }
  if (wanted === undefined) return report(column, wanted, NO_CONDITION)
  if (Array.isArray(wanted)) return compileOperator(column, 'in', wanted, problems)
  if (!isComparison(wanted)) return compileOperator(column, 'eq', wanted, problems)
  const comparisons = Object.entries(wanted)
  if (comparisons.length === 0) return report(column, wanted, `has no comparison; give one of ${OPERATORS.join(', ')}`)
  return comparisons.flatMap(([operator, value]) => {
    if (value === undefined) return report(`${column}.${operator}`, value, NO_CONDITION)
    if (OPERATORS.includes(operator)) return compileOperator(column, operator, value, problems)
    const message = `is not a comparison${suggestion(operator, OPERATORS)}; comparisons: ${OPERATORS.join(', ')}`
    return report(`${column}.${operator}`, value, message)
  })
}

function compileOperator(column: FilterColumn, operator: string, value: unknown, problems: Problem[]): Condition[] {
  const { kind } = COLUMNS[column]
  const report = (message: string): Condition[] => {
    const field = operator === 'eq' ? column : `${column}.${operator}`
    problems.push({ code: 'INVALID_OPTION', field, value, message })
    return []
  }
  if ([value].flat().some((each) => typeof each === 'string' && each.includes('\0'))) {
    return report('contains U+0000, which no column holds; leave it out')
  }
  if (operator === 'isNull') {
    return typeof value === 'boolean' ? [nullTest(column, value)] : report(`is ${showValue(value)}; give true or false`)
  }
  const text = TEXTS.find((op) => op === operator)
  if (text !== undefined) {
    if (kind !== 'text') return report(`compares texts, and this column holds ${EXPECTED[kind]}; use eq, lt, in ...`)
    return typeof value === 'string' ? [{ column, op: text, value }] : report(`is ${showValue(value)}; give a text`)
  }
  const list = LISTS.find((op) => op === operator)
  if (list !== undefined) {
    if (!Array.isArray(value)) return report(`is ${showValue(value)}; give a list`)
    const values = value.map((each: unknown) => readValue(kind, each))
    const wrong = values.findIndex((each, index) => each === undefined && value[index] !== null)
    if (wrong >= 0) return report(`contains ${showValue(value[wrong])}; each must be ${EXPECTED[kind]}`)
    const present = values.filter((each) => each !== undefined)
    return [
      list === 'in'
        ? anyOf(column, present, present.length < value.length)
        : noneOf(column, present, present.length < value.length),
    ]
  }
  const comparison = COMPARISONS.find((op) => op === operator) ?? 'eq'
  if (value === null && (comparison === 'eq' || comparison === 'ne')) return [nullTest(column, comparison === 'eq')]
  const read = readValue(kind, value)
  if (read === undefined) return report(`is ${showValue(value)}; give ${EXPECTED[kind]}`)
  return [comparison === 'ne' ? noneOf(column, [read]) : { column, op: comparison, value: read }]
}

/** The value as stores take it; undefined when it does not fit the column. */
function readValue(kind: Kind, value: unknown): FilterValue | undefined {
  switch (kind) {
    case 'id':
      return typeof value === 'string' ? canonicalUuid(value) : undefined
    case 'text':
      return typeof value === 'string' ? value : undefined
    case 'status':
      return isStatus(value) ? value : undefined
    case 'number':
      return Number.isSafeInteger(value) ? (value as number) : undefined
    case 'instant':
      return isStorableDate(value) ? value : undefined
  }
}

function isComparison(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !(value instanceof Date)
}

/** Whether a column is null; as a condition that any store can answer. */
export function nullTest(column: FilterColumn, value: boolean): Condition {
  // A column that is never null needs no test, but "is null" must still match nothing.
  if (isNullable(column)) return { column, op: 'isNull', value }
  return { op: 'any', groups: value ? [] : [[]] }
}

function anyOf(column: FilterColumn, values: readonly FilterValue[], orNull: boolean): Condition {
  const present: Condition = { column, op: 'in', values }
  return orNull ? { op: 'any', groups: [[present], [nullTest(column, true)]] } : present
}

/** The column has none of these values; a null column has none. */
export function noneOf(column: FilterColumn, values: readonly FilterValue[], norNull = false): Condition {
  const [only] = values
  if (only === undefined) return norNull ? nullTest(column, false) : { op: 'any', groups: [[]] }
  const present: Condition = values.length === 1 ? { column, op: 'ne', value: only } : { column, op: 'notIn', values }
  if (!isNullable(column)) return present
  if (norNull) return { op: 'any', groups: [[present, nullTest(column, false)]] }
  return { op: 'any', groups: [[present], [nullTest(column, true)]] }
}
