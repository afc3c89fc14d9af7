import { type Census, SETTLED } from '../store/retention-store.ts'
import { PAGE_ROWS, type PageCount } from './counted-pages.ts'
import { perStatus, type Rules, ruleFor, type Surplus } from './rules.ts'

/** One number that is limited, and how many more fit. */
interface Limited {
  readonly rule: number
  readonly status: (typeof SETTLED)[number]
  left: number
  /** The place of the first that does not fit. */
  place: string | null
}

/**
 * Where the surplus of each rule begins: counts from the newest event to the oldest, many rows at a time, and where a number
 * is exceeded fewer and fewer, down to the one row with which it is. `rest` is waited for after each statement; []: it said to stop.
 */
export async function surplusOf(
  pages: PageCount,
  rules: Rules,
  rest: (taken: number) => Promise<boolean>,
): Promise<Surplus> {
  const limits = rules.flatMap(({ keep }, rule) =>
    SETTLED.flatMap((status): readonly Limited[] => {
      const left = keep[status]
      return left === null ? [] : [{ rule, status, left, place: null }]
    }),
  )
  let open = limits
  let before: string | null = null
  let rows = PAGE_ROWS
  while (open.length > 0) {
    const { census, taken } = await pages.census(before, rows)
    if (census.last === null) break
    const counts = open.map((limit) => countOf(census, rules, limit))
    if (rows > 1 && open.some(({ left }, n) => (counts[n] ?? 0) > left)) {
      rows = Math.ceil(rows / 2)
    } else {
      for (const [n, limit] of open.entries()) {
        limit.left -= counts[n] ?? 0
        if (limit.left < 0) limit.place = census.last
      }
      open = open.filter(({ left }) => left >= 0)
      before = census.last
      rows = Math.min(PAGE_ROWS, 2 * rows)
    }
    if (taken > 0 && !(await rest(taken))) return []
  }
  pages.end()
  return rules.map((_, rule) =>
    perStatus((status) => limits.find((each) => each.rule === rule && each.status === status)?.place ?? null),
  )
}

function countOf({ groups }: Census, rules: Rules, { rule, status }: Limited): number {
  return groups.reduce((sum, group) => {
    const isOurs = group.status === status && ruleFor(rules, group.eventType) === rule
    return isOurs ? sum + group.count : sum
  }, 0)
}
