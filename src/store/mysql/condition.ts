import { sqlName } from '../../record/columns.ts'
import type { Condition, FilterColumn, FilterValue } from '../admin-store.ts'
import { toSqlDate } from './literals.ts'
import { join, Sql, type SqlValue, sql } from './sql.ts'
import type { Tables } from './tables.ts'
import { isUuid, toSqlId } from './uuid.ts'

type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte'

const OPERATOR: Readonly<Record<Comparison, Sql>> = {
  eq: sql`=`,
  ne: sql`<>`,
  lt: sql`<`,
  lte: sql`<=`,
  gt: sql`>`,
  gte: sql`>=`,
}
const NUMBERS: ReadonlySet<FilterColumn> = new Set(['seq', 'lane', 'retryCount', 'maxRetries', 'generation'])
const DATES: ReadonlySet<FilterColumn> = new Set([
  'createdAt',
  'updatedAt',
  'scheduledAt',
  'publishedAt',
  'availableAt',
])

/** The conjunction of conditions on `e`. */
export function allOf(t: Tables, where: readonly Condition[]): Sql {
  if (where.length === 0) return sql`TRUE`
  return join(
    where.map((condition) => sql`(${clauseOf(t, condition)})`),
    ' AND ',
  )
}

/** How a column sorts ascending: nulls last, and text by its bytes, so that the order is the same on every database. */
export function sortExpression(column: FilterColumn): readonly Sql[] {
  return column === 'id'
    ? [sql`e.id`]
    : [sql`${nameOf(column)} IS NULL`, isText(column) ? bytes(nameOf(column)) : nameOf(column)]
}

function clauseOf(t: Tables, condition: Condition): Sql {
  switch (condition.op) {
    case 'any':
      return anyOf(condition.groups.map((group) => allOf(t, group)))
    case 'after':
    case 'before':
      return beside(t, condition.column, condition.op, condition.id)
    case 'isNull':
      return condition.value ? sql`${nameOf(condition.column)} IS NULL` : sql`${nameOf(condition.column)} IS NOT NULL`
    case 'in':
      if (condition.column === 'id') return isOneOf(condition.values)
      return anyOf(condition.values.map((value) => compare(condition.column, 'eq', value)))
    case 'notIn':
      if (condition.column === 'id') return sql`NOT (${isOneOf(condition.values)})`
      return condition.values.length === 0
        ? sql`TRUE`
        : join(
            condition.values.map((value) => sql`(${compare(condition.column, 'ne', value)})`),
            ' AND ',
          )
    case 'contains':
    case 'icontains':
    case 'startsWith':
    case 'endsWith':
    case 'iexact':
      return compareText(condition.column, condition.op, condition.value)
    default:
      return compare(condition.column, condition.op, condition.value)
  }
}

/** One term for all ids: with one for each the planner takes longer over hundreds than the server over their rows. */
function isOneOf(values: readonly FilterValue[]): Sql {
  const ids = values.filter((value) => typeof value === 'string').filter(isUuid)
  return ids.length === 0 ? sql`FALSE` : sql`e.id IN (${ids.map(toSqlId)})`
}

function anyOf(clauses: readonly Sql[]): Sql {
  if (clauses.length === 0) return sql`FALSE`
  return join(
    clauses.map((clause) => sql`(${clause})`),
    ' OR ',
  )
}

/** Compared in the database: it knows microseconds, a Date does not. */
function beside(t: Tables, column: FilterColumn, op: 'after' | 'before', id: string): Sql {
  if (!isUuid(id)) return sql`FALSE`
  const than = op === 'after' ? OPERATOR.gt : OPERATOR.lt
  const name = nameOf(column)
  const there = sql`(SELECT p.${new Sql(sqlName(column))} FROM ${t.events} AS p WHERE p.id = ${toSqlId(id)})`
  return sql`${name} ${than} ${there} OR (${name} = ${there} AND e.id ${than} ${toSqlId(id)})`
}

function compare(column: FilterColumn, op: Comparison, value: FilterValue): Sql {
  const name = nameOf(column)
  if (value === null) {
    if (op === 'eq') return sql`${name} IS NULL`
    return op === 'ne' ? sql`${name} IS NOT NULL` : sql`FALSE`
  }
  // Null differs from every value.
  if (op === 'ne') return sql`(${compare(column, 'eq', value)}) IS NOT TRUE`
  if (value instanceof Date && DATES.has(column)) return compareDate(name, op, value)
  const text = value instanceof Date ? value.toISOString() : String(value)
  if (column === 'id') return sql`e.id ${OPERATOR[op]} ${isUuid(text) || op !== 'eq' ? toSqlId(text) : null}`
  if (NUMBERS.has(column)) return sql`${name} ${OPERATOR[op]} ${Number(value)}`
  if (DATES.has(column)) return sql`${name} ${OPERATOR[op]} CAST(${text} AS DATETIME(6))`
  const exact = sql`${bytes(name)} ${OPERATOR[op]} ${bytes(text)}`
  // The plain comparison as well, for an index that Django made; what is equal by bytes is equal in every collation.
  return op === 'eq' ? sql`${name} = ${text} AND ${exact}` : exact
}

/**
 * A Date shows the millisecond that a row's instant is in, so a comparison with a Date compares milliseconds: the
 * filter `createdAt: event.createdAt` finds the event. Written so that no function hides the column.
 */
function compareDate(name: Sql, op: Exclude<Comparison, 'ne'>, value: Date): Sql {
  const at = (milliseconds: number): string => toSqlDate(new Date(value.getTime() + milliseconds))
  switch (op) {
    case 'eq':
      return sql`${name} >= ${at(0)} AND ${name} < ${at(1)}`
    case 'lt':
      return sql`${name} < ${at(0)}`
    case 'lte':
      return sql`${name} < ${at(1)}`
    case 'gt':
      return sql`${name} >= ${at(1)}`
    case 'gte':
      return sql`${name} >= ${at(0)}`
  }
}

/** By position and length and not by LIKE: `%`, `_` and backslash need no escape then. */
function compareText(
  column: FilterColumn,
  op: 'contains' | 'icontains' | 'startsWith' | 'endsWith' | 'iexact',
  value: string,
): Sql {
  const text = nameOf(column)
  const wanted = column === 'id' ? toSqlId(value) : value
  switch (op) {
    case 'contains':
      return sql`LOCATE(${bytes(wanted)}, ${bytes(text)}) > 0`
    case 'icontains':
      return sql`LOCATE(${bytes(lower(wanted))}, ${bytes(lower(text))}) > 0`
    case 'startsWith':
      return sql`LEFT(${bytes(text)}, LENGTH(${bytes(wanted)})) = ${bytes(wanted)}`
    case 'endsWith':
      return sql`RIGHT(${bytes(text)}, LENGTH(${bytes(wanted)})) = ${bytes(wanted)}`
    case 'iexact':
      return sql`${bytes(lower(text))} = ${bytes(lower(wanted))}`
  }
}

/** The bytes of a text in UTF-8, whatever the character set and the collation of a column or a connection. */
function bytes(text: SqlValue | Sql): Sql {
  return sql`CAST(CONVERT(${text} USING utf8mb4) AS BINARY)`
}

/** LOWER does nothing to what it is not told the case of: text in binary collations included, it goes by characters. */
function lower(text: SqlValue | Sql): Sql {
  return sql`LOWER(CONVERT(${text} USING utf8mb4))`
}

function nameOf(column: FilterColumn): Sql {
  return new Sql(`e.${sqlName(column)}`)
}

function isText(column: FilterColumn): boolean {
  return column !== 'id' && !NUMBERS.has(column) && !DATES.has(column)
}
