import type { Delivery } from './subscription.ts'

/** A delivery in hand, with what was tried so far. */
export interface DeliveryInHand {
  readonly delivery: Delivery
  /** Attempts made. */
  attempts: number
  /** How long the last one took, in ms; null = there was none. */
  took: number | null
  /** Attempts that cost a retry. */
  failures: number
  /** Attempts in a row that cost none. */
  uncounted: number
  /** Set once it was given up: all that is left is to put it in the dead-letter place. */
  givenUp: { readonly error: unknown } | undefined
  /** It may have killed a process: nothing else is worked on beside it. */
  alone: boolean
  /** Whether each attempt leaves a mark in the inbox before it begins; undefined = not decided yet. */
  watched: boolean | undefined
  /** Whether the current attempt has left one. */
  marked: boolean
  /** The number of the last one. */
  marks: number
}

/**
 * The deliveries in hand. Each is ready, waits behind an earlier one of its key, or is being worked on. Different keys
 * are worked on side by side; a key is busy until its delivery is removed, so nothing overtakes one that waits for a
 * retry.
 */
export class Intake {
  readonly #held = new Set<DeliveryInHand>()
  readonly #ready: DeliveryInHand[] = []
  /** What waits, by busy key. */
  readonly #behind = new Map<string, DeliveryInHand[]>()

  get size(): number {
    return this.#held.size
  }

  add(delivery: Delivery): void {
    const held: DeliveryInHand = {
      delivery,
      attempts: 0,
      took: null,
      failures: 0,
      uncounted: 0,
      givenUp: undefined,
      alone: false,
      watched: undefined,
      marked: false,
      marks: 0,
    }
    this.#held.add(held)
    const { key } = delivery
    const behind = key === null ? undefined : this.#behind.get(key)
    if (behind) {
      behind.push(held)
      return
    }
    if (key !== null) this.#behind.set(key, [])
    this.#ready.push(held)
  }

  take(): DeliveryInHand | undefined {
    return this.#ready.shift()
  }

  /** Puts back one whose wait is over, ahead of what became ready meanwhile. */
  putBack(held: DeliveryInHand): void {
    this.#ready.unshift(held)
  }

  /** Puts back one that has to run alone: behind those that wait for that already, and before all others. */
  putBackAlone(held: DeliveryInHand): void {
    held.alone = true
    const others = this.#ready.findIndex(({ alone }) => !alone)
    this.#ready.splice(others < 0 ? this.#ready.length : others, 0, held)
  }

  /** Done with one that was taken: the next of its key is ready. */
  remove(held: DeliveryInHand): void {
    if (!this.#held.delete(held)) return
    const { key } = held.delivery
    if (key === null) return
    const next = this.#behind.get(key)?.shift()
    if (next) this.#ready.push(next)
    else this.#behind.delete(key)
  }

  clear(): void {
    this.#held.clear()
    this.#ready.length = 0
    this.#behind.clear()
  }
}
