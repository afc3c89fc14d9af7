import { type Status, UNSETTLED } from '../record/status.ts'
import type { Condition, Query } from './admin-store.ts'

/** Each store finds events of these statuses without reading others: they are in indexes of their own. */
export const INDEXED: readonly Status[] = [...UNSETTLED, 'failed']

/** A list of this many rows at most is sorted; of more its first are looked for in the order of ids. */
export const FEW = 10_000

/** Whether a condition holds only for events that are in those indexes. Pure. */
export function isNarrow(condition: Condition): boolean {
  if (condition.op === 'any') return condition.groups.every((group) => group.some(isNarrow))
  if (condition.column !== 'status') return false
  const isIndexed = (value: unknown): boolean => INDEXED.some((status) => status === value)
  if (condition.op === 'in') return condition.values.every(isIndexed)
  return condition.op === 'eq' && isIndexed(condition.value)
}

/** The statuses that such a condition allows, or more. Pure. */
export function statusesOf(condition: Condition): readonly Status[] {
  if (condition.op === 'any') {
    return condition.groups.flatMap((group) => {
      const narrow = group.find(isNarrow)
      return narrow ? statusesOf(narrow) : []
    })
  }
  const named: readonly unknown[] =
    condition.op === 'in' ? condition.values : condition.op === 'eq' ? [condition.value] : []
  return INDEXED.filter((status) => named.includes(status))
}

/**
 * What the first events of a list by id are found by instead, if there are few of them: looked for in the order of ids, they may be
 * behind all the others. Undefined: it is no such list. Pure.
 */
export function narrowIn({ where, order, limit }: Query): readonly Condition[] | undefined {
  const narrow = where.filter(isNarrow)
  const isById = order.every(({ column }) => column === 'id')
  return narrow.length > 0 && isById && limit !== null ? narrow : undefined
}
