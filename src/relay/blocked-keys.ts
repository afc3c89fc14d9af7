import type { FetchedRow, HeldHead, UnparkReport } from '../store/relay-store.ts'
import type { HeldEvent } from './held-event.ts'

export interface Head {
  readonly id: string
  readonly seq: number
  readonly generation: number
  /** Monotonic time at which it is due again, in ms; null = until released by hand. */
  readonly dueAt: number | null
  /** The store could not be told that it holds its key, so what the store says of the lane does not end it. */
  readonly unrecorded?: true
  /** It went back as it was, with no outcome: it comes back as it was, and at any time. */
  readonly returned?: true
  /** It is to be parked, and the store does not take that yet: somebody may have its row locked. */
  readonly isStuck?: true
}

/** So much sooner than we think the database may find a retry due, in ms. */
const EARLY = 250

/**
 * Keys of one lane whose later events must wait, since an earlier event is between retries or failed for good. A key is released
 * only when that event itself is fetched again or the lane is reconciled, never by a clock of ours: the database's
 * may be a moment behind, and a follower would overtake.
 */
export class BlockedKeys {
  readonly #heads = new Map<string, Head[]>()
  /** The heads, by id, and whether an `unpark` of ours has brought each back. */
  readonly #isBack = new Map<string, boolean>()

  /** What keeps an event waiting longest; undefined = it may go. */
  blocker(key: string, seq: number): Head | undefined {
    let found: Head | undefined
    for (const head of this.#heads.get(key) ?? []) {
      if (head.seq < seq && (found === undefined || later(head, found))) found = head
    }
    return found
  }

  /**
   * Whether a fetched event comes back as a head that we know should: between retries, due, and brought back by an `unpark`
   * that we know the end of. One that failed for good, is pending again or comes early was moved by hand, and any other was brought
   * back by a statement that ran late: what waited behind it may not be back yet.
   */
  expects({ id, partitionKey: key, status, generation }: FetchedRow, now: number): boolean {
    const head = key === null ? undefined : this.#heads.get(key)?.find((each) => each.id === id)
    if (head === undefined || head.unrecorded) return true
    if (head.generation !== generation) return false
    if (head.returned) return true
    return head.dueAt !== null && status !== 'pending' && now >= head.dueAt - EARLY && this.#isBack.get(id) === true
  }

  /**
   * An `unpark` of ours has brought heads back, perhaps of other lanes. What it had to leave here, since it is locked, holds its key:
   * the event that it waited for may be on its way already, and newer ones with it.
   */
  woke(heads: UnparkReport['heads'], locked: UnparkReport['locked']): void {
    if (this.#isBack.size > 0) for (const id of heads) if (this.#isBack.has(id)) this.#isBack.set(id, true)
    for (const { id, seq, partitionKey, generation } of locked) {
      if (!this.#isBack.has(id)) this.hold(partitionKey, { id, seq, generation, dueAt: performance.now() })
    }
  }

  /** An event was fetched: it holds its key no longer. Returns what keeps it waiting. */
  admit({ key, id, seq }: Pick<HeldEvent, 'key' | 'id' | 'seq'>): Head | undefined {
    if (key === null) return undefined
    this.release(key, id)
    return this.blocker(key, seq)
  }

  hold(key: string, head: Head): void {
    this.#heads.set(key, [...(this.#heads.get(key) ?? []).filter((other) => other.id !== head.id), head])
    this.#isBack.set(head.id, false)
  }

  /** The head itself came back: it no longer holds its key. */
  release(key: string, id: string): void {
    const heads = this.#heads.get(key)?.filter((head) => head.id !== id)
    if (heads === undefined) return
    this.#isBack.delete(id)
    if (heads.length === 0) this.#heads.delete(key)
    else this.#heads.set(key, heads)
  }

  /**
   * Replaces what is known by what the store says; `now` is the monotonic time of the answer. Of heads that it `keeps` the
   * store knows nothing yet.
   */
  reset(heads: readonly HeldHead[], now: number, keeps: (id: string) => boolean): void {
    const unrecorded = [...this.#heads].flatMap(([key, known]) =>
      known
        .filter((head) => keeps(head.id) || (head.unrecorded && later(head, { ...head, dueAt: now })))
        .map((head) => ({ key, head })),
    )
    this.#heads.clear()
    this.#isBack.clear()
    for (const { key, head } of unrecorded) this.hold(key, head)
    for (const { id, seq, generation, partitionKey, dueIn } of heads) {
      const head = { id, seq, generation, dueAt: dueIn === null ? null : now + dueIn }
      const known = this.#heads.get(partitionKey)
      // A key may have a hundred thousand: a new list for each, as in `hold`, takes minutes.
      if (known === undefined || this.#isBack.has(id)) this.hold(partitionKey, head)
      else {
        known.push(head)
        this.#isBack.set(id, false)
      }
    }
  }
}

function later(one: Head, other: Head): boolean {
  return other.dueAt !== null && (one.dueAt === null || one.dueAt > other.dueAt)
}
