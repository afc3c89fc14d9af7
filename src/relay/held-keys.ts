import type { FetchedRow, HeldHead, UnparkReport } from '../store/relay-store.ts'
import type { HeldEvent } from './in-hand.ts'

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
 * Keys whose later events must wait, since an earlier event is between retries or failed for good. A key is released
 * only when that event itself is fetched again or the lane is reconciled, never by a clock of ours: the database's
 * may be a moment behind, and a follower would overtake.
 */
export class HeldKeys {
  readonly #lanes = new Map<number, Map<string, readonly Head[]>>()
  /** The heads, by id, and whether an `unpark` of ours has brought each back. */
  readonly #isBack = new Map<string, boolean>()

  /** What keeps an event waiting longest; undefined = it may go. */
  blocker(lane: number, key: string, seq: number): Head | undefined {
    let found: Head | undefined
    for (const head of this.#lanes.get(lane)?.get(key) ?? []) {
      if (head.seq < seq && (found === undefined || later(head, found))) found = head
    }
    return found
  }

  /**
   * Whether a fetched event comes back as a head that we know should: between retries, due, and brought back by an `unpark`
   * that we know the end of. One that failed for good, is pending again or comes early was moved by hand, and any other was brought
   * back by a statement that ran late: what waited behind it may not be back yet.
   */
  expects({ id, lane, partitionKey: key, status, generation }: FetchedRow, now: number): boolean {
    const head =
      key === null
        ? undefined
        : this.#lanes
            .get(lane)
            ?.get(key)
            ?.find((each) => each.id === id)
    if (head === undefined || head.unrecorded) return true
    if (head.generation !== generation) return false
    if (head.returned) return true
    return head.dueAt !== null && status !== 'pending' && now >= head.dueAt - EARLY && this.#isBack.get(id) === true
  }

  /**
   * An `unpark` of ours has brought heads back. What it had to leave, since it is locked, holds its key: the event that it
   * waited for may be on its way already, and newer ones with it.
   */
  woke({ heads, locked }: Pick<UnparkReport, 'heads' | 'locked'>): void {
    for (const id of heads) if (this.#isBack.has(id)) this.#isBack.set(id, true)
    for (const { id, seq, lane, partitionKey, generation } of locked) {
      if (!this.#isBack.has(id)) this.hold(lane, partitionKey, { id, seq, generation, dueAt: performance.now() })
    }
  }

  /** An event was fetched: it holds its key no longer. Returns what keeps it waiting. */
  admit({ lane, key, id, seq }: Pick<HeldEvent, 'lane' | 'key' | 'id' | 'seq'>): Head | undefined {
    if (key === null) return undefined
    this.release(lane, key, id)
    return this.blocker(lane, key, seq)
  }

  hold(lane: number, key: string, head: Head): void {
    const keys = this.#lanes.get(lane) ?? new Map<string, readonly Head[]>()
    this.#lanes.set(lane, keys)
    keys.set(key, [...(keys.get(key) ?? []).filter((other) => other.id !== head.id), head])
    this.#isBack.set(head.id, false)
  }

  /** The head itself came back: it no longer holds its key. */
  release(lane: number, key: string, id: string): void {
    const keys = this.#lanes.get(lane)
    const heads = keys?.get(key)?.filter((head) => head.id !== id)
    if (heads === undefined) return
    this.#isBack.delete(id)
    if (heads.length === 0) keys?.delete(key)
    else keys?.set(key, heads)
  }

  /**
   * Replaces what is known of a lane by what the store says; `now` is the monotonic time of the answer. Of heads that it `keeps` the
   * store knows nothing yet.
   */
  reset(lane: number, heads: readonly HeldHead[], now: number, keeps: (id: string) => boolean = () => false): void {
    const unrecorded = [...(this.#lanes.get(lane) ?? [])].flatMap(([key, known]) =>
      known
        .filter((head) => keeps(head.id) || (head.unrecorded && later(head, { ...head, dueAt: now })))
        .map((head) => ({ key, head })),
    )
    this.forget(lane)
    for (const { key, head } of unrecorded) this.hold(lane, key, head)
    for (const head of heads) {
      if (head.lane !== lane) continue
      this.hold(lane, head.partitionKey, {
        id: head.id,
        seq: head.seq,
        generation: head.generation,
        dueAt: head.dueIn === null ? null : now + head.dueIn,
      })
    }
  }

  forget(lane: number): void {
    for (const heads of this.#lanes.get(lane)?.values() ?? []) for (const { id } of heads) this.#isBack.delete(id)
    this.#lanes.delete(lane)
  }
}

function later(one: Head, other: Head): boolean {
  return other.dueAt !== null && (one.dueAt === null || one.dueAt > other.dueAt)
}
