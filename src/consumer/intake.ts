import type { Delivery } from './subscription.ts'

/** A delivery in hand, with what was tried so far. */
export interface Held {
  readonly delivery: Delivery
  /** Attempts made. */
  attempts: number
  /** Attempts that cost a retry. */
  failures: number
  /** Attempts in a row that cost none. */
  uncounted: number
  /** Set once it was given up: what is left is to put it in the dead-letter place. */
  givenUp: { readonly error: unknown } | undefined
}

/**
 * The deliveries in hand. Each is ready, waits behind an earlier one of its key, or is being worked on. Keys are worked
 * on side by side; a key is busy until its delivery is removed, so nothing passes one that waits for a retry.
 */
export class Intake {
  /** All of them. */
  readonly #held = new Set<Held>()
  readonly #ready: Held[] = []
  /** What waits, by busy key. */
  readonly #behind = new Map<string, Held[]>()

  /** How many are in hand. */
  get size(): number {
    return this.#held.size
  }

  add(delivery: Delivery): void {
    const held: Held = { delivery, attempts: 0, failures: 0, uncounted: 0, givenUp: undefined }
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

  /** The next to work on. */
  take(): Held | undefined {
    return this.#ready.shift()
  }

  /** One that was taken waits no longer, and goes before what became ready meanwhile. */
  putBack(held: Held): void {
    this.#ready.unshift(held)
  }

  /** Done with one that was taken: the next of its key is ready. */
  remove(held: Held): void {
    if (!this.#held.delete(held)) return
    const { key } = held.delivery
    if (key === null) return
    const next = this.#behind.get(key)?.shift()
    if (next) this.#ready.push(next)
    else this.#behind.delete(key)
  }

  /** Forgets all of them. */
  clear(): void {
    this.#held.clear()
    this.#ready.length = 0
    this.#behind.clear()
  }
}
