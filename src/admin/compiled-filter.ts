import type { RecordFilter } from '../record/record-source.ts'
import type { Condition } from '../store/admin-store.ts'

const CONDITIONS = new WeakMap<object, readonly Condition[]>()

/** A filter that stands for these conditions, where filters are taken; its content is hidden. At least one condition. */
export function compiledFilter(where: readonly Condition[]): RecordFilter {
  const filter: RecordFilter = {}
  if (where.length > 0) CONDITIONS.set(filter, where)
  return filter
}

/** What it stands for; undefined = it was written by the caller. */
export function conditionsIn(filter: object): readonly Condition[] | undefined {
  return CONDITIONS.get(filter)
}
