import { BroadcasterError } from '../errors.ts'
import type { Condition } from '../store/admin-store.ts'
import { isNullable, noneOf, nullTest } from './compile-filter.ts'

const OPPOSITE = { lt: 'gte', lte: 'gt', gt: 'lte', gte: 'lt' } as const

/**
 * The condition that holds exactly where not all of these do; a null column counts as "does not compare". Throws
 * `INVALID_OPTION` for comparisons of texts, which stores cannot turn round.
 */
export function negate(conditions: readonly Condition[]): Condition {
  return { op: 'any', groups: conditions.map(negateOne) }
}

/** The opposite of one condition, as conditions that must all hold. */
function negateOne(condition: Condition): readonly Condition[] {
  switch (condition.op) {
    case 'any':
      // Not (A or B) is not A and not B, and each group is itself a conjunction.
      return condition.groups.map(negate)
    case 'eq':
      return [noneOf(condition.column, [condition.value])]
    case 'in':
      return [noneOf(condition.column, condition.values)]
    case 'ne':
      return [{ column: condition.column, op: 'eq', value: condition.value }]
    case 'notIn':
      return [{ column: condition.column, op: 'in', values: condition.values }]
    case 'isNull':
      return [nullTest(condition.column, !condition.value)]
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte': {
      const { column, value } = condition
      const opposite: Condition = { column, op: OPPOSITE[condition.op], value }
      return [isNullable(column) ? { op: 'any', groups: [[opposite], [nullTest(column, true)]] } : opposite]
    }
    default:
      throw new BroadcasterError(
        'INVALID_OPTION',
        `exclude cannot use ${condition.op} on ${condition.column}; it takes values, lists, ne, lt, lte, gt, gte, in, notIn and isNull`,
        { field: condition.column, value: condition.op },
      )
  }
}
