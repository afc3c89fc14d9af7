import { type Census, type RetentionStore, SETTLED } from '../store/retention-store.ts'
import { perStatus, type Rules, ruleFor, type Surplus } from './rules.ts'

/** Rows counted by one statement: few enough that the planner of PostgreSQL never prefers to read and sort the table. */
const ROWS = 1_000

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
 * is exceeded fewer and fewer, down to the one row with which it is. `rest` is waited for after each statement.
 */
export async function surplusOf(
  store: Pick<RetentionStore, 'census'>,
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
  let rows = ROWS
  while (open.length > 0) {
    const start = performance.now()
    const census: Census = await store.census(before, rows)
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
      rows = Math.min(ROWS, 2 * rows)
    }
    if (!(await rest(performance.now() - start))) return []
  }
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
