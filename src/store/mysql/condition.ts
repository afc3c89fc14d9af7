import { COLUMNS, type FilterColumn, sqlName } from '../../record/columns.ts'
import type { Condition } from '../admin-store.ts'
import { allOf as allOfSql } from '../conditions.ts'
import { isUuid, toSqlDate, toSqlId } from '../values.ts'
import { Sql, type SqlValue, sql, utf8 } from './sql.ts'
import type { Tables } from './tables.ts'

/** The conjunction of conditions on `e`. */
export function allOf(t: Tables, where: readonly Condition[]): Sql {
  const text = allOfSql(where, {
    nameOf: (column) => nameOf(column).text,
    compare: (column, operator, value) => compare(column, new Sql(operator), value).text,
    test: (column, test, value) => testOf(test, nameOf(column), column === 'id' ? toSqlId(value) : value).text,
    /** All ids as one term: with a term for each, planning hundreds takes longer than reading their rows. */
    oneOf(column, values) {
      if (column !== 'id') return undefined
      const ids = values.map(String).filter(isUuid)
      return ids.length === 0 ? 'FALSE' : sql`e.id IN (${ids.map(toSqlId)})`.text
    },
    beside(column, operator, id) {
      if (!isUuid(id)) return 'FALSE'
      const [name, than] = [nameOf(column), new Sql(operator)]
      const there = sql`(SELECT p.${new Sql(sqlName(column))} FROM ${t.events} AS p WHERE p.id = ${toSqlId(id)})`
      return sql`${name} ${than} ${there} OR (${name} = ${there} AND e.id ${than} ${toSqlId(id)})`.text
    },
  })
  return new Sql(text)
}

/** How a column sorts ascending: nulls last, and text by its bytes, so that the order is the same on every database. */
export function sortExpression(column: FilterColumn): readonly Sql[] {
  const { kind } = COLUMNS[column]
  if (kind === 'id') return [sql`e.id`]
  const isText = kind === 'text' || kind === 'status'
  return [sql`${nameOf(column)} IS NULL`, isText ? utf8(nameOf(column)) : nameOf(column)]
}

function compare(column: FilterColumn, operator: Sql, value: string | number | Date): Sql {
  const name = nameOf(column)
  if (value instanceof Date) return sql`${name} ${operator} ${toSqlDate(value)}`
  const isEqual = operator.text === '='
  switch (COLUMNS[column].kind) {
    case 'id':
      return sql`e.id ${operator} ${isUuid(String(value)) || !isEqual ? toSqlId(String(value)) : null}`
    case 'number':
      return sql`${name} ${operator} ${Number(value)}`
    case 'instant':
      return sql`${name} ${operator} CAST(${value} AS DATETIME(6))`
    default: {
      const exact = sql`${utf8(name)} ${operator} ${utf8(String(value))}`
      // With the plain comparison for Django's indexes; what is equal by bytes is equal in every collation.
      return isEqual ? sql`${name} = ${String(value)} AND ${exact}` : exact
    }
  }
}

function testOf(test: 'contains' | 'icontains' | 'startsWith' | 'endsWith' | 'iexact', text: Sql, wanted: string): Sql {
  switch (test) {
    case 'contains':
      return sql`LOCATE(${utf8(wanted)}, ${utf8(text)}) > 0`
    case 'icontains':
      return sql`LOCATE(${utf8(lower(wanted))}, ${utf8(lower(text))}) > 0`
    case 'startsWith':
      return sql`LEFT(${utf8(text)}, LENGTH(${utf8(wanted)})) = ${utf8(wanted)}`
    case 'endsWith':
      return sql`RIGHT(${utf8(text)}, LENGTH(${utf8(wanted)})) = ${utf8(wanted)}`
    case 'iexact':
      return sql`${utf8(lower(text))} = ${utf8(lower(wanted))}`
  }
}

/** LOWER needs a character set to know the case: it does nothing to binary strings. */
function lower(text: SqlValue | Sql): Sql {
  return sql`LOWER(CONVERT(${text} USING utf8mb4))`
}

function nameOf(column: FilterColumn): Sql {
  return new Sql(`e.${sqlName(column)}`)
}
