import { COLUMNS, type FilterColumn, sqlName } from '../../record/columns.ts'
import { UNSETTLED } from '../../record/status.ts'
import type { Condition } from '../admin-store.ts'
import { allOf } from '../conditions.ts'
import { isUuid } from '../values.ts'
import type { SqlValue } from './client.ts'
import type { Tables } from './tables.ts'

/** Collects the values of a statement and hands out their placeholders. */
export class Parameters {
  readonly values: SqlValue[] = []

  add(value: SqlValue): string {
    this.values.push(value)
    return `$${this.values.length}`
  }
}

/** The conjunction of conditions on `e`, as SQL. */
export function compileConditions(where: readonly Condition[], t: Tables, parameters: Parameters): string {
  return allOf(where, {
    nameOf,
    compare(column, operator, value) {
      const name = nameOf(column)
      if (value instanceof Date) return `${name} ${operator} ${parameters.add(value.toISOString())}::timestamptz`
      if (column === 'status' && operator === '=') return statusIn([String(value)], parameters)
      switch (COLUMNS[column].kind) {
        case 'id':
          if (isUuid(String(value))) return `${name} ${operator} ${parameters.add(value)}::uuid`
          return operator === '=' ? 'FALSE' : `${name}::text COLLATE "C" ${operator} ${parameters.add(value)}`
        case 'number': {
          const type = Number.isSafeInteger(Number(value)) ? 'bigint' : 'float8'
          return `${name} ${operator} ${parameters.add(Number(value))}::${type}`
        }
        case 'instant':
          return `${name} ${operator} ${parameters.add(value)}::timestamptz`
        default:
          return `${name}${operator === '=' ? '' : ' COLLATE "C"'} ${operator} ${parameters.add(String(value))}`
      }
    },
    test(column, test, value) {
      const text = isText(column) ? nameOf(column) : `${nameOf(column)}::text`
      const wanted = `${parameters.add(value)}::text`
      switch (test) {
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
    },
    oneOf(column, values) {
      if (column === 'status') return statusIn(values.map(String), parameters)
      if (column !== 'id') return undefined
      // With a term for each the planner takes longer over hundreds than the server over their rows.
      return `e.id = ANY (${parameters.add(values.map(String).filter(isUuid))}::uuid[])`
    },
    beside(column, operator, id) {
      if (!isUuid(id)) return 'FALSE'
      return `(${nameOf(column)}, e.id) ${operator} (
        SELECT p.${sqlName(column)}, p.id FROM ${t.events} AS p WHERE p.id = ${parameters.add(id)}::uuid)`
    },
  })
}

/**
 * Two partial indexes hold what is unsettled, and the planner takes both only where a condition names their two predicates: that an
 * instant is null or not is always true, and says no more.
 */
function statusIn(statuses: readonly string[], parameters: Parameters): string {
  const [open, others] = [true, false].map((isOpen) => {
    const these = statuses.filter((status) => OPEN.includes(status) === isOpen).map((status) => parameters.add(status))
    return these.length === 0 ? [] : [`e.status IN (${these.join(', ')})`]
  })
  const parts = open?.map((part) => `(${part} AND (e.available_at IS NULL OR e.available_at IS NOT NULL))`) ?? []
  return [...parts, ...(others ?? [])].join(' OR ') || 'FALSE'
}

const OPEN: readonly string[] = UNSETTLED

/** How a column sorts: text by its bytes, so that the order is the same on every database. */
export function sortExpression(column: FilterColumn): string {
  return isText(column) ? `${nameOf(column)} COLLATE "C"` : nameOf(column)
}

function nameOf(column: FilterColumn): string {
  return `e.${sqlName(column)}`
}

function isText(column: FilterColumn): boolean {
  return COLUMNS[column].kind === 'text' || COLUMNS[column].kind === 'status'
}
