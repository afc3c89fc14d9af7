import type { EventQuery } from '../admin/event-query.ts'
import { storedData } from '../admin/event-search.ts'
import type { EventFilter } from '../admin/filter-language/read-filter.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import type { Condition } from '../store/admin-store.ts'

/** Events read at a time. */
const PAGE = 500
/** A transaction may commit so long after its events got their ids, in milliseconds; and their host's clock may be as far behind. */
const LATE = 60_000
/** How far a publisher's clock may be ahead, in milliseconds. Random ids are nearly all beyond that. */
const AHEAD = 600_000
/** How often those that came late are looked for, in milliseconds. */
const LOOK_BACK = 5_000
/** Ids looked at for that. */
const MOST_BACK = 10_000

/**
 * Events in the order in which they come, by their ids, which begin with the time: each read is a short range of the primary key. What
 * commits after later ones is found within seconds, up to a minute late. Events with random ids are not seen.
 */
export class NewEvents {
  readonly #all: EventQuery
  readonly #filter: EventFilter
  /** The database's time. */
  readonly #now: () => number
  #position: string
  #lookBackAt: number
  readonly #begin: string
  /** What was given out, of the last minute. */
  readonly #seen = new Set<string>()

  /** `all` with the columns that are wanted; `since`: begins there, in place of now. */
  constructor(
    all: EventQuery,
    filter: EventFilter,
    { since, now }: { readonly since: Date | undefined; now(): number },
  ) {
    this.#all = (filter.needsData ? all.include('data', 'dataBinary') : all).where(filter.where)
    this.#filter = filter
    this.#now = now
    this.#position = firstIdAt(since?.getTime() ?? now())
    this.#begin = since === undefined ? firstIdAt(0) : this.#position
    this.#lookBackAt = now() + LOOK_BACK
  }

  /** What is there already is not new. Call it first. */
  async begin(): Promise<void> {
    const now = this.#now()
    for (const id of await this.#ids(firstIdAt(now - LATE), firstIdAt(now + AHEAD))) {
      if (id <= this.#position) this.#seen.add(id)
    }
  }

  /** The next ones; `more`: there are others, to be read at once. */
  async next(): Promise<{ readonly events: readonly OutboxEvent[]; readonly more: boolean }> {
    const now = this.#now()
    const page = await this.#all
      .where(between(this.#position, firstIdAt(now + AHEAD)))
      .orderBy('id')
      .limit(PAGE)
      .all()
    const more = page.length === PAGE
    const last = page.at(-1)
    if (more && last !== undefined) this.#position = last.id
    else if (firstIdAt(now) > this.#position) this.#position = firstIdAt(now)
    const late = more || now < this.#lookBackAt ? [] : await this.#late(now)
    return { events: [...late, ...page].filter((event) => this.#isNew(event)), more }
  }

  async #late(now: number): Promise<readonly OutboxEvent[]> {
    this.#lookBackAt = now + LOOK_BACK
    const oldest = firstIdAt(now - LATE)
    for (const id of this.#seen) if (id < oldest) this.#seen.delete(id)
    const from = oldest > this.#begin ? oldest : this.#begin
    const missed = (await this.#ids(from, this.#position)).filter((id) => !this.#seen.has(id)).slice(0, PAGE)
    return missed.length === 0
      ? []
      : this.#all
          .filter({ id: { in: missed } })
          .orderBy('id')
          .limit(PAGE)
          .all()
  }

  async #ids(from: string, to: string): Promise<readonly string[]> {
    const rows = await this.#all.only('id').where(between(from, to)).orderBy('-id').limit(MOST_BACK).all()
    return rows.map(({ id }) => id)
  }

  #isNew(event: OutboxEvent): boolean {
    if (this.#seen.has(event.id)) return false
    this.#seen.add(event.id)
    return this.#filter.tests.every((test) => test(event, () => storedData(event)))
  }
}

function between(from: string, to: string): readonly Condition[] {
  return [
    { column: 'id', op: 'gt', value: from },
    { column: 'id', op: 'lte', value: to },
  ]
}

/** The least id of version 7 of a time, in milliseconds since 1970. Pure. */
export function firstIdAt(time: number): string {
  const hex = Math.max(0, Math.floor(time)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
