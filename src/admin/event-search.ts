import type { ColumnName } from '../record/columns.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { Condition } from '../store/admin-store.ts'
import type { EventQuery } from './event-query.ts'
import type { EventFilter } from './filter-language/read-filter.ts'

/** How a page is looked for. */
export interface SearchPage {
  /** Goes on behind this row: below it, or above it with `oldest`. */
  readonly after?: string | undefined
  /** The oldest first. Default: the newest. */
  readonly oldest?: boolean | undefined
  /** At most this many. */
  readonly limit: number
  /** Rows to look at where no index answers, and for how long, in milliseconds. */
  readonly rows: number
  readonly time: number
  /** The data of an event as the user may see it. Default: as it is stored. */
  readonly shownData?: ((event: OutboxEvent) => string | null) | undefined
  /** Reads only these columns, besides those of the filter's tests. Default: those of a list. */
  readonly columns?: readonly ColumnName[] | undefined
  /** Reads ids alone, unless rows have to be looked at. Default: false. */
  readonly idsOnly?: boolean | undefined
}

/** What was found. */
export interface SearchResult {
  readonly events: readonly OutboxEvent[]
  /** There is at least one more behind these. */
  readonly more: boolean
  /** How far was looked; null: an index answered, or nothing was left to look at. */
  readonly looked: {
    readonly rows: number
    /** The last row that was read: go on after it; null = all were. */
    readonly last: string | null
    readonly until: Date | null
  } | null
}

/** Rows of one step: by conditions the database looks through them, with their data they come to us. */
const STEP = 10_000
const STEP_WITH_TESTS = 1_000
/** Rows read at a time for a test. */
const PAGE = 500

/**
 * The next events that a filter means, by id. What an index answers is exact. Anything else is looked for step by step along the
 * primary key, a known number of rows each, until enough are found or the budget is spent: no query looks at the whole table.
 */
export async function searchEvents(all: EventQuery, filter: EventFilter, page: SearchPage): Promise<SearchResult> {
  const { after, oldest = false, limit, columns, idsOnly = false } = page
  const [beyond, order] = oldest ? (['gt', 'id'] as const) : (['lt', '-id'] as const)
  const behind = (id: string | undefined): readonly Condition[] =>
    id === undefined ? [] : [{ column: 'id', op: beyond, value: id }]
  const data: readonly ColumnName[] = filter.needsData ? ['data', 'dataBinary'] : []
  const tested = filter.tests.length > 0
  const wanted = idsOnly ? ['id' as const] : columns
  const listed = all.orderBy(order)
  const ordered = wanted !== undefined && !tested ? listed.only(...wanted) : listed.include(...data)
  const fits = (event: OutboxEvent): boolean => {
    const text = (): string | null => (page.shownData ?? storedData)(event)
    return filter.tests.every((test) => test(event, text))
  }
  if (filter.isIndexed) {
    const found: OutboxEvent[] = []
    await collect(ordered.where([...filter.where, ...behind(after)]), {
      into: found,
      most: limit + 1,
      fits,
      behind,
      tested,
    })
    return { events: found.slice(0, limit), more: found.length > limit, looked: null }
  }
  const until = performance.now() + page.time
  const step = tested ? STEP_WITH_TESTS : STEP
  const events: OutboxEvent[] = []
  let rows = 0
  let from = after
  let at: Date | null = null
  while (rows < page.rows && performance.now() < until) {
    const size = Math.min(step, page.rows - rows)
    const rest = all.orderBy(order).where(behind(from))
    const [last] = await rest
      .only('createdAt')
      .offset(size - 1)
      .limit(1)
      .all()
    const within: readonly Condition[] = last ? [{ column: 'id', op: oldest ? 'lte' : 'gte', value: last.id }] : []
    const window = ordered.where([...filter.where, ...behind(from), ...within])
    // One more than wanted tells that there are more.
    await collect(window, { into: events, most: limit + 1, fits, behind, tested })
    if (events.length > limit) return { events: events.slice(0, limit), more: true, looked: null }
    if (last === undefined) return { events, more: false, looked: null }
    rows += size
    from = last.id
    at = last.createdAt
  }
  return { events, more: false, looked: { rows, last: from ?? null, until: at } }
}

/** How many events a filter means, up to `limit`, which an index answers; undefined: none does, search for them. */
export async function countByIndex(all: EventQuery, filter: EventFilter, limit: number): Promise<number | undefined> {
  if (!filter.isIndexed || filter.tests.length > 0) return undefined
  return all.where(filter.where).limit(limit).count()
}

interface Collecting {
  readonly into: OutboxEvent[]
  readonly most: number
  readonly fits: (event: OutboxEvent) => boolean
  readonly behind: (id: string | undefined) => readonly Condition[]
  readonly tested: boolean
}

async function collect(window: EventQuery, { into, most, fits, behind, tested }: Collecting): Promise<void> {
  let from: string | undefined
  for (;;) {
    const size = tested ? PAGE : most - into.length
    const found = await window.where(behind(from)).limit(size).all()
    for (const event of found) if (into.length < most && fits(event)) into.push(event)
    if (into.length >= most || found.length < size) return
    from = found.at(-1)?.id
  }
}

/** Text of the data as it is stored; none of what is bytes. */
export function storedData(event: OutboxEvent): string | null {
  return event.dataJson
}
