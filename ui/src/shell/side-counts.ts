import { status } from '../api/live.ts'
import type { Count } from '../api/types.ts'
import { backendState } from '../words/backend-state.ts'
import { sumOf } from '../words/number.ts'

export interface SideCount {
  readonly count: Count
  readonly tone: 'bad' | 'held' | 'plain'
  /** Behind the number, for those who do not see it: "failed events". */
  readonly what: string
}

/** The number beside a screen's name; nothing where it is 0. */
export function sideCount(path: string): SideCount | undefined {
  const one = status.value
  if (one === undefined) return undefined
  const counts: Readonly<Record<string, SideCount>> = {
    failures: { count: sumOf(one.backends.map(({ failed }) => failed)), tone: 'bad', what: 'failed events' },
    keys: { count: sumOf(one.backends.map(({ blockedKeys }) => blockedKeys)), tone: 'held', what: 'blocked keys' },
    backends: {
      count: { count: one.backends.filter((backend) => backendState(backend) !== 'flowing').length, exact: true },
      tone: 'bad',
      what: 'not delivering',
    },
    operations: { count: { count: one.operations?.length ?? 0, exact: true }, tone: 'plain', what: 'running' },
  }
  const found = counts[path]
  return found === undefined || found.count.count === 0 ? undefined : found
}
