import type { FetchedRow } from '../store/relay-store.ts'

/** Events of one lane that are left alone at one time. */
const MOST_SHELVED = 1_000

/** What may be in hand still: what was delivered and waits for a lock, or all that waits for one. */
export type Exception = 'nothing' | 'delivered' | 'locked'

/**
 * What a worker has in hand of one lane, by id. It outlives an ownership of the lane: an event that was delivered and cannot be
 * recorded yet is left out by the next one too.
 */
export class LaneHand {
  readonly #ids = new Set<string>()
  /** Delivered, and their rows locked: reads leave them out until they are recorded. */
  readonly #aside = new Set<string>()
  /** Not delivered, and their rows locked. */
  readonly #locked = new Set<string>()
  /** The outcomes of these cannot be recorded: not to be read again before their time, or they are sent again at once. */
  readonly #shelved = new Map<string, { readonly generation: number; readonly until: number }>()
  #waiting: { readonly but: Exception; readonly resolve: () => void }[] = []

  get size(): number {
    return this.#ids.size
  }

  /** How many rows a read from the lane's head meets that it must leave out. */
  get leftOut(): number {
    return this.#ids.size + this.#shelved.size
  }

  /** Whether a row that was fetched is to be left out. One that an operator has moved since it was shelved is not. */
  has({ id, generation }: Pick<FetchedRow, 'id' | 'generation'>): boolean {
    return this.#ids.has(id) || this.#isShelved(id, generation)
  }

  add(id: string): void {
    this.#ids.add(id)
  }

  /** Returns how it was in hand; undefined = not at all. */
  remove(id: string): 'waiting-for-lock' | 'usual' | undefined {
    if (!this.#ids.delete(id)) return undefined
    const [aside, locked] = [this.#aside.delete(id), this.#locked.delete(id)]
    this.#tell()
    return aside || locked ? 'waiting-for-lock' : 'usual'
  }

  /** The row of the event is locked. Returns whether that is news. */
  markLocked(id: string, isDelivered: boolean): boolean {
    const some = isDelivered ? this.#aside : this.#locked
    if (!this.#ids.has(id) || this.#aside.has(id) || this.#locked.has(id)) return false
    some.add(id)
    this.#tell()
    return true
  }

  /** Whether the outcome of the event, which may hold its key, waits for a lock on its row. */
  waitsForLock(id: string): boolean {
    return this.#locked.has(id)
  }

  /** Leaves the event out of reads until the monotonic time `until`. Of more than `MOST_SHELVED` the oldest is forgotten. */
  shelve(id: string, generation: number, until: number): void {
    this.#shelved.set(id, { generation, until })
    const [oldest] = this.#shelved.keys()
    if (this.#shelved.size > MOST_SHELVED && oldest !== undefined) this.#shelved.delete(oldest)
  }

  #isShelved(id: string, generation: number): boolean {
    const shelved = this.#shelved.get(id)
    if (shelved === undefined) return false
    if (shelved.generation === generation && performance.now() < shelved.until) return true
    this.#shelved.delete(id)
    return false
  }

  /** Resolves when nothing is in hand; with `but` when nothing is but what waits so for a lock. */
  async empty(but: Exception = 'nothing'): Promise<void> {
    if (!this.#isOver(but)) await new Promise<void>((resolve) => this.#waiting.push({ but, resolve }))
  }

  #isOver(but: Exception): boolean {
    const aside = but === 'nothing' ? 0 : this.#aside.size
    const locked = but === 'locked' ? this.#locked.size : 0
    return this.#ids.size === aside + locked
  }

  #tell(): void {
    if (this.#waiting.length === 0) return
    const { over = [], left = [] } = Object.groupBy(this.#waiting, ({ but }) => (this.#isOver(but) ? 'over' : 'left'))
    this.#waiting = left
    for (const { resolve } of over) resolve()
  }
}
