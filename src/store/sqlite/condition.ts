import type { SQLInputValue } from 'node:sqlite'
import { sqlName } from '../../record/columns.ts'
import type { Condition, FilterColumn, FilterValue } from '../admin-store.ts'
import type { Tables } from './tables.ts'
import { toSqlDate, toSqlId } from './values.ts'

/** A piece of SQL and the values of its placeholders. */
export interface Clause {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
}

const COMPARISONS = { lt: '<', lte: '<=', gt: '>', gte: '>=' } as const

/** The conjunction of conditions. */
export function allOf(t: Tables, conditions: readonly Condition[]): Clause {
  if (conditions.length === 0) return { sql: '1', values: [] }
  const clauses = conditions.map((condition) => clauseOf(t, condition))
  return {
    sql: clauses.map((clause) => `(${clause.sql})`).join(' AND '),
    values: clauses.flatMap((clause) => clause.values),
  }
}

/** Null is a value here: `ne` and `notIn` find rows with null, as people expect, and as SQL does not. */
function clauseOf(t: Tables, condition: Condition): Clause {
  if (condition.op === 'any') {
    const groups = condition.groups.map((group) => allOf(t, group))
    return {
      sql: groups.map((group) => `(${group.sql})`).join(' OR ') || '0',
      values: groups.flatMap((group) => group.values),
    }
  }
  const column = sqlName(condition.column)
  switch (condition.op) {
    case 'isNull':
      return { sql: `${column} IS ${condition.value ? 'NULL' : 'NOT NULL'}`, values: [] }
    case 'eq':
      return { sql: `${column} IS ?`, values: [toSqlValue(condition.column, condition.value)] }
    case 'ne':
      return { sql: `${column} IS NOT ?`, values: [toSqlValue(condition.column, condition.value)] }
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return {
        sql: `${column} ${COMPARISONS[condition.op]} ?`,
        values: [toSqlValue(condition.column, condition.value)],
      }
    case 'in':
    case 'notIn': {
      const listed = condition.values.filter((value) => value !== null)
      const values = [JSON.stringify(listed.map((value) => toSqlValue(condition.column, value)))]
      const orNull = listed.length < condition.values.length ? `OR ${column} IS NULL` : ''
      const sql = `(${column} IS NOT NULL AND ${column} IN (SELECT value FROM json_each(?)) ${orNull})`
      return { sql: condition.op === 'in' ? sql : `NOT ${sql}`, values }
    }
    case 'after':
    case 'before': {
      const than = condition.op === 'after' ? '>' : '<'
      return {
        sql: `(${column}, id) ${than} (SELECT ${column}, id FROM ${t.events} WHERE id = ?)`,
        values: [toSqlId(condition.id)],
      }
    }
    default:
      return textClause(column, condition.op, condition.column === 'id' ? toSqlId(condition.value) : condition.value)
  }
}

/** Without LIKE, which ignores case and needs % and _ escaped. */
function textClause(
  column: string,
  op: 'contains' | 'icontains' | 'startsWith' | 'endsWith' | 'iexact',
  text: string,
): Clause {
  switch (op) {
    case 'contains':
      return { sql: `instr(${column}, ?) > 0`, values: [text] }
    case 'icontains':
      return { sql: `instr(lower(${column}), lower(?)) > 0`, values: [text] }
    case 'startsWith':
      return { sql: `substr(${column}, 1, length(?)) = ?`, values: [text, text] }
    case 'endsWith':
      return { sql: `substr(${column}, length(${column}) - length(?) + 1) = ?`, values: [text, text] }
    case 'iexact':
      return { sql: `lower(${column}) = lower(?)`, values: [text] }
  }
}

function toSqlValue(column: FilterColumn, value: FilterValue): SQLInputValue {
  if (value instanceof Date) return toSqlDate(value)
  if (column === 'id' && typeof value === 'string') return toSqlId(value)
  return value
}
