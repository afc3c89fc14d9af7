import type { RetentionStore, SettledEvent } from '../store/retention-store.ts'
import { countsAny, lastPlaces, leastAges, mayGo, type Rules, type Surplus } from './rules.ts'
import { surplusOf } from './surplus.ts'

/** Rows read by one statement: a short one, and a short transaction. */
const PAGE = 1_000
/** Pages in a row that may have nothing to delete. What comes after them is for the next clean-up. */
const BARREN_PAGES = 100
/** Numbers are counted again after so many times what counting took: a tenth of the time at most, half of it at rest. */
const COUNT_SHARE = 10

/** Who asks for a clean-up. */
export interface CleanUpTurn {
  /** One statement deleted this many settled events. */
  onRemoved(count: number): void
  /** Called between two statements, of which the last took so many ms; resolves with false = stop here. */
  rest(taken: number): Promise<boolean>
  /** Goes on to the end of the table, however little there is to delete. Default false. */
  readonly whole?: boolean | undefined
}

/**
 * Deletes settled events by rules, page by page from the oldest on.
 *
 * It remembers where it was: rows that must stay (a dead letter kept for ever, 100,000 events behind a blocked key) are passed
 * once in a round, not once in a clean-up. A clean-up may therefore end before the end of a round, and the next goes on there.
 */
export class CleanUp {
  readonly #store: RetentionStore
  readonly #rules: Rules
  #after: string | null = null
  #surplus: Surplus = []
  /** By `performance.now()`. */
  #countAgainAt = 0

  constructor(store: RetentionStore, rules: Rules) {
    this.#store = store
    this.#rules = rules
  }

  /** Ends when nothing that may go is left, or little of it, or when `rest` says so. */
  async run({ onRemoved, rest, whole = false }: CleanUpTurn): Promise<void> {
    await this.#count(rest)
    const ages = leastAges(this.#rules)
    const upTo = lastPlaces(this.#surplus)
    // One that begins in the middle sees the part before it, too.
    let isFirstRound = this.#after !== null
    let barren = 0
    for (let goOn = true; goOn; ) {
      const start = performance.now()
      const { events, next } = await this.#store.walk({ after: this.#after, rows: PAGE, ages, upTo })
      const removed = await this.#remove(events.filter((event) => mayGo(this.#rules, this.#surplus, event)))
      this.#after = next
      if (removed > 0) onRemoved(removed)
      barren = removed > 0 ? 0 : barren + 1
      if (next === null && !isFirstRound) return
      if (next === null) isFirstRound = false
      else if (!whole && barren >= BARREN_PAGES) return
      goOn = await rest(performance.now() - start)
    }
  }

  async #remove(events: readonly SettledEvent[]): Promise<number> {
    return events.length === 0 ? 0 : this.#store.remove(events)
  }

  /** Between two counts what is settled comes on top of the number. */
  async #count(rest: CleanUpTurn['rest']): Promise<void> {
    if (!countsAny(this.#rules) || performance.now() < this.#countAgainAt) return
    const start = performance.now()
    this.#surplus = await surplusOf(this.#store, this.#rules, rest)
    const end = performance.now()
    this.#countAgainAt = end + COUNT_SHARE * (end - start)
  }
}
