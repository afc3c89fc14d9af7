import type { RetentionStore, SettledEvent } from '../store/retention-store.ts'
import type { Archive } from './archive.ts'
import { CountedPages } from './counted-pages.ts'
import { OldPartitions, type Range } from './old-partitions.ts'
import { countsAny, lastPlaces, leastAges, mayGo, type Rules, type Surplus } from './rules.ts'
import { surplusOf } from './surplus.ts'

/** Rows read, or deleted, by one statement: a short one, and a short transaction. */
const PAGE = 1_000
/** Events archived together: one file. */
const ARCHIVED = 10_000
/** Pages in a row that may have nothing to delete. What comes after them is for the next clean-up. */
const BARREN_PAGES = 100
/** All is counted anew after so many times what counting took: a tenth of the time at most, half of it at rest. In between what is new is. */
const COUNT_SHARE = 10

/** Who asks for a clean-up. */
export interface CleanUpTurn {
  /** One statement deleted this many settled events. */
  onRemoved(count: number): void
  /** Called between two statements, of which the last took so many ms; resolves with false = stop here. */
  rest(taken: number): Promise<boolean>
  /** Looked at before what a read found is archived, and before each deletion. Default: always. */
  readonly mayGoOn?: (() => boolean) | undefined
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
  readonly #archive: Archive | undefined
  readonly #archived: number
  readonly #partitions: OldPartitions | undefined
  /** All that may go up to here is gone. */
  #after: string | null = null
  #surplus: Surplus = []
  readonly #pages: CountedPages
  /** By `performance.now()`. */
  #countAgainAt = 0

  /** `archived`: events archived together. `drops`: partitions of a table that has some are dropped whole, where they can be. */
  constructor(store: RetentionStore, rules: Rules, archive?: Archive, archived = ARCHIVED, drops = false) {
    this.#partitions = drops && store.partitions ? new OldPartitions(store.partitions, rules, archive) : undefined
    this.#store = store
    this.#pages = new CountedPages(store)
    this.#rules = rules
    this.#archive = archive
    this.#archived = archived
  }

  /**
   * Ends when nothing that may go is left, or little of it, or when `rest` says so. Throws at its end what a partition failed with,
   * which was cleaned row by row.
   */
  async run(turn: CleanUpTurn): Promise<void> {
    const { rest } = turn
    await this.#count(rest)
    const { except, failures } = (await this.#partitions?.run(this.#surplus, turn)) ?? { failures: [] }
    await this.#walk(turn, except)
    // A partition that fails holds up nothing else, and is told at each clean-up until it goes.
    if (failures.length > 0) throw failures[0]
  }

  async #walk(turn: CleanUpTurn, except: Range | undefined): Promise<void> {
    const { rest, whole = false } = turn
    const ages = leastAges(this.#rules)
    const upTo = lastPlaces(this.#surplus)
    let after = this.#after
    let batch: SettledEvent[] = []
    // One that begins in the middle sees the part before it, too.
    let isFirstRound = after !== null
    let barren = 0
    for (let isOver = false; !isOver; ) {
      const start = performance.now()
      const { events, next } = await this.#store.walk({
        after,
        rows: Math.min(PAGE, this.#archived),
        ages,
        upTo,
        except,
      })
      const going = events.filter((event) => mayGo(this.#rules, this.#surplus, event))
      batch.push(...going)
      barren = going.length > 0 ? 0 : barren + 1
      isOver = next === null ? !isFirstRound : !whole && barren >= BARREN_PAGES
      if (next === null) isFirstRound = false
      after = next
      if (this.#archive === undefined || batch.length >= this.#archived || next === null || isOver) {
        if (!(await this.#remove(batch, turn))) return
        this.#after = after
        batch = []
      }
      if (!isOver && !(await rest(performance.now() - start))) return
    }
  }

  /** Resolves with false when it is to stop. */
  async #remove(
    batch: readonly SettledEvent[],
    { onRemoved, rest, mayGoOn = () => true }: CleanUpTurn,
  ): Promise<boolean> {
    if (batch.length === 0) return true
    if (!mayGoOn()) return false
    await this.#archive?.keep(batch)
    for (let at = 0; at < batch.length; at += PAGE) {
      if (!mayGoOn()) return false
      const start = performance.now()
      const removed = await this.#store.remove(batch.slice(at, at + PAGE))
      if (removed > 0) onRemoved(removed)
      if (at + PAGE < batch.length && !(await rest(performance.now() - start))) return false
    }
    return true
  }

  /** Where little was counted nothing is remembered: between two counts what is settled comes on top of the number. */
  async #count(rest: CleanUpTurn['rest']): Promise<void> {
    if (!countsAny(this.#rules)) return
    const start = performance.now()
    const anew = start >= this.#countAgainAt
    if (!anew && !this.#pages.remembers) return
    this.#surplus = await surplusOf(this.#pages.begin(anew), this.#rules, rest)
    if (!anew) return
    const end = performance.now()
    this.#countAgainAt = end + COUNT_SHARE * (end - start)
  }
}
