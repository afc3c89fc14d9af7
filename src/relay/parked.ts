import type { RelayStore, UnparkReport } from '../store/relay-store.ts'
import type { InHand } from './in-hand.ts'
import type { Lane } from './lane.ts'
import { openOf } from './open-lane.ts'

/**
 * Parked rows brought back for one lane in one statement. When the first of them stay, since a row is locked, the next statement
 * looks at twice as many, up to the second number: what waits for one row holds up no other key.
 */
const UNPARK_LIMIT = 2_000
const MOST_LOOKED_AT = 16_000

/** What works with parked events. */
export interface ParkedParts {
  readonly store: Pick<RelayStore, 'unpark'>
  readonly names: readonly string[]
  readonly inHand: InHand
  readonly lanes: ReadonlyMap<number, Lane>
  /** It is not known what was brought back. */
  readonly onDoubt: () => void
}

/** Brings parked events of the owned lanes back when they are due. */
export class Parked {
  readonly #parts: ParkedParts
  #limit = UNPARK_LIMIT
  /** Monotonic time at which the next is due, in ms. */
  dueAt = 0

  constructor(parts: ParkedParts) {
    this.#parts = parts
  }

  /** Brings back what is due. */
  async unpark(): Promise<void> {
    const { store, names, inHand, lanes, onDoubt } = this.#parts
    // Or the head of a key comes back alone, and a later event goes before those still on their way to be parked.
    await inHand.parked()
    const asked = openOf(lanes)
    if (asked.length === 0) return
    const now = performance.now()
    const limit = this.#limit
    // What is put off while the statement runs, which does not see it, counts beside its answer.
    this.dueAt = Number.POSITIVE_INFINITY
    let report: UnparkReport
    try {
      const numbers = asked.map(({ number }) => number)
      report = await store.unpark(names, numbers, limit)
    } catch (error) {
      // It may have brought rows back, or may yet: it is not known which.
      this.#limit = UNPARK_LIMIT
      for (const { position } of asked) position.distrust()
      onDoubt()
      throw error
    }
    const { woken, heads, locked, more, nextDueIn } = report
    if (nextDueIn !== null) this.dueAt = Math.min(this.dueAt, now + nextDueIn)
    const moved = new Map(woken.map(({ lane, count }) => [lane, count]))
    const lockedIn = Map.groupBy(locked, ({ lane }) => lane)
    for (const { number, lane, position } of asked) {
      if (lanes.get(number) === lane) lane.keys.woke(moved.has(number) ? heads : [], lockedIn.get(number) ?? [])
      position.catchingUp = more.includes(number)
      position.waitsForLocks = position.catchingUp && limit >= MOST_LOOKED_AT && !moved.has(number)
    }
    for (const { lane, firstSeq } of woken) lanes.get(lane)?.position?.rewindTo(firstSeq)
    if (more.some((lane) => (moved.get(lane) ?? 0) < limit)) this.#limit = Math.min(2 * limit, MOST_LOOKED_AT)
    else if (locked.length === 0) this.#limit = UNPARK_LIMIT
    // A lane that was opened meanwhile was not asked about.
    for (const { number, position } of openOf(lanes)) {
      if (position.catchingUp && !more.includes(number)) this.dueAt = 0
    }
  }
}
