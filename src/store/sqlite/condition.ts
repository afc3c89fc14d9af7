import type { SQLInputValue } from 'node:sqlite'
import { COLUMNS, type FilterColumn, sqlName } from '../../record/columns.ts'
import { type Status, UNSETTLED } from '../../record/status.ts'
import type { Condition } from '../admin-store.ts'
import { allOf as allOfSql } from '../conditions.ts'
import { INDEXED } from '../narrow.ts'
import { statusList, toSqlDate, toSqlId } from '../values.ts'
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
    compare: (column, operator, value) =>
      column === 'status' && operator === '='
        ? statusIn([String(value)], add)
        : `${sqlName(column)} ${operator} ${add(toSqlValue(column, value))}`,
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
      column === 'status'
        ? statusIn(given.map(String), add)
        : `${sqlName(column)} IN (SELECT value FROM json_each(${add(JSON.stringify(given.map((value) => toSqlValue(column, value))))}))`,
    beside: (column, operator, id) =>
      `(${sqlName(column)}, id) ${operator} (SELECT ${sqlName(column)}, id FROM ${t.events} WHERE id = ${add(toSqlId(id))})`,
  })
  return { sql, values }
}

/** What is unsettled, and what failed, as the predicates of the partial indexes say it: SQLite compares the two term by term. */
function statusIn(statuses: readonly string[], add: (value: SQLInputValue) => string): string {
  const open = UNSETTLED.filter((status) => statuses.includes(status))
  const others = statuses.filter((status) => !INDEXED.some((one) => one === status))
  const parts = [
    ...(open.length === 0 ? [] : openParts(open)),
    ...(statuses.includes('failed') ? [FAILED_PART] : []),
    ...(others.length === 0 ? [] : [`status IN (SELECT value FROM json_each(${add(JSON.stringify(others))}))`]),
  ]
  return parts.map((part) => `(${part})`).join(' OR ') || 'FALSE'
}

const FAILED_PART = "status IN ('retry', 'failed') AND status = 'failed'"

function openParts(open: readonly Status[]): readonly string[] {
  const and = open.length === UNSETTLED.length ? '' : ` AND status IN ${statusList(open)}`
  return ['IS NULL', 'IS NOT NULL'].map((is) => `available_at ${is} AND status IN ${statusList(UNSETTLED)}${and}`)
}

/** The rows of these statuses, each part by its index, whatever the statistics say. */
export function rowsOf(t: Tables, statuses: readonly Status[]): string {
  const open = UNSETTLED.filter((status) => statuses.includes(status))
  const [hot, parked] = open.length === 0 ? [] : openParts(open)
  const parts = [
    [t.index.hot, hot],
    [t.index.parked, parked],
    [t.index.troubled, statuses.includes('failed') ? FAILED_PART : undefined],
  ] as const
  return parts
    .flatMap(([index, part]) =>
      part === undefined ? [] : [`SELECT * FROM ${t.events} INDEXED BY ${index} WHERE ${part}`],
    )
    .join(' UNION ALL ')
}

function toSqlValue(column: FilterColumn, value: string | number | Date): string | number {
  if (value instanceof Date) return toSqlDate(value)
  return COLUMNS[column].kind === 'id' ? toSqlId(String(value)) : value
}
