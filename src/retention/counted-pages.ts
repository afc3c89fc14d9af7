import type { Census, RetentionStore } from '../store/retention-store.ts'

/** Rows counted by one statement: few enough that the planner of PostgreSQL never prefers to read and sort the table. */
export const PAGE_ROWS = 1_000
/** Of the newest pages, which are counted anew each time: what waited when they were counted may have been delivered since. */
const FRESH = 20
/** Pages that are remembered; above, two neighbours become one. */
const MOST = 4_096

interface Page {
  /** Where it begins, which is the place behind its newest row; null = at the newest row of the table. */
  readonly before: string | null
  readonly census: Census & { readonly last: string }
}

/**
 * Counts pages of rows from the newest to the oldest, and remembers them: the next time only what is new is asked for. What left a
 * page since, it does not see; so all is to be counted anew now and then.
 */
export class CountedPages {
  readonly #store: Pick<RetentionStore, 'census'>
  #pages: readonly Page[] = []

  constructor(store: Pick<RetentionStore, 'census'>) {
    this.#store = store
  }

  /** Whether a count knows anything of an earlier one. */
  get remembers(): boolean {
    return this.#pages.length > FRESH
  }

  /** Begins a count. `anew`: without what is remembered. */
  begin(anew: boolean): PageCount {
    const known = anew ? [] : this.#pages.slice(FRESH)
    return new PageCount(this.#store, known, (pages) => {
      this.#pages = pages.length > MOST ? merged(pages) : pages
    })
  }
}

/** One count. */
export class PageCount {
  readonly #store: Pick<RetentionStore, 'census'>
  readonly #keep: (pages: readonly Page[]) => void
  readonly #known: ReadonlyMap<string | null, Page>
  /** Where what is known begins, and where each page of it ends, newest first: a page that is read anew ends there, too. */
  readonly #ends: readonly string[]
  #nextEnd = 0
  readonly #seen: Page[] = []
  /** Where the last page seen ends. */
  #at: string | null = null

  constructor(store: Pick<RetentionStore, 'census'>, known: readonly Page[], keep: (pages: readonly Page[]) => void) {
    this.#store = store
    this.#keep = keep
    this.#known = new Map(known.map((page) => [page.before, page]))
    this.#ends = [...known.slice(0, 1).flatMap(({ before }) => before ?? []), ...known.map(({ census }) => census.last)]
  }

  /** The next page, of this many rows at most, or one that is remembered. `taken`: ms of its statements; 0 = there was none. */
  async census(before: string | null, rows: number): Promise<{ readonly census: Census; readonly taken: number }> {
    const known = rows < PAGE_ROWS || before === null ? undefined : this.#known.get(before)
    if (known !== undefined) return { census: this.#see(known), taken: 0 }
    const end = this.#endBelow(before)
    const start = performance.now()
    const { groups, last } = await this.#store.census(before, rows, end)
    const taken = performance.now() - start
    if (last !== null) return { census: this.#see({ before, census: { groups, last } }), taken }
    if (end === null) return { census: { groups, last }, taken }
    // What was between is gone.
    this.#reach(before, end)
    const next = await this.census(end, rows)
    return { ...next, taken: next.taken + taken }
  }

  /** It came to its end: the next one may build on it. */
  end(): void {
    this.#keep(this.#seen)
  }

  #see(page: Page): Page['census'] {
    // The one before had too many rows, and fewer were asked for.
    if (this.#seen.at(-1)?.before === page.before) this.#at = this.#seen.pop()?.before ?? null
    if (page.before === this.#at) {
      this.#seen.push(page)
      this.#at = page.census.last
    }
    return page.census
  }

  #reach(before: string | null, end: string): void {
    if (before !== this.#at) return
    const last = this.#seen.pop()
    if (last !== undefined) this.#seen.push({ ...last, census: { ...last.census, last: end } })
    this.#at = end
  }

  /** Counts go one way. */
  #endBelow(before: string | null): string | null {
    const above = (end: string): boolean => before !== null && end >= before
    for (let end = this.#ends[this.#nextEnd]; end !== undefined && above(end); end = this.#ends[this.#nextEnd]) {
      this.#nextEnd++
    }
    return this.#ends[this.#nextEnd] ?? null
  }
}

/** Half as many pages, each of two. */
function merged(pages: readonly Page[]): readonly Page[] {
  const all: Page[] = []
  for (let n = 0; n < pages.length; n += 2) {
    const [newer, older] = [pages[n], pages[n + 1]]
    if (newer === undefined) break
    all.push(older === undefined ? newer : { before: newer.before, census: together(newer.census, older.census) })
  }
  return all
}

function together(newer: Census, older: Page['census']): Page['census'] {
  const groups = new Map<string, Census['groups'][number]>()
  for (const group of [...newer.groups, ...older.groups]) {
    const key = `${group.status} ${group.eventType}`
    groups.set(key, { ...group, count: group.count + (groups.get(key)?.count ?? 0) })
  }
  return { groups: [...groups.values()], last: older.last }
}
