/** A message that the broker counts as ours. */
export interface Held<Message> {
  readonly id: string
  /** As it came last. */
  message: Message
  /** Monotonic, in milliseconds; until then the broker will surely not hand it to somebody else. */
  safeUntil: number
  readonly lost: AbortController
}

/** What is in hand, where a broker takes back what it has not heard of for some time. */
export class HeldDeliveries<Message> {
  readonly #held = new Map<string, Held<Message>>()

  /** Undefined for one that is in hand already: it is still ours, as it came last. */
  add(id: string, message: Message, safeUntil: number): Held<Message> | undefined {
    const known = this.#held.get(id)
    if (known) {
      known.message = message
      known.safeUntil = safeUntil
      return undefined
    }
    const held: Held<Message> = { id, message, safeUntil, lost: new AbortController() }
    this.#held.set(id, held)
    return held
  }

  has(held: Held<Message>): boolean {
    return this.#held.get(held.id) === held
  }

  /** Whether it was in hand. */
  remove(held: Held<Message>): boolean {
    return this.has(held) && this.#held.delete(held.id)
  }

  all(): readonly Held<Message>[] {
    return [...this.#held.values()]
  }

  /** The broker has heard of these. */
  renew(held: readonly Held<Message>[], safeUntil: number): void {
    for (const each of held) each.safeUntil = Math.max(each.safeUntil, safeUntil)
  }

  /** Forgets one that is, or may be, somebody else's by now. */
  lose(held: Held<Message>): void {
    if (this.remove(held)) held.lost.abort()
  }

  /** Forgets what was not heard of in time. */
  loseLate(now: number): void {
    for (const held of this.all()) if (held.safeUntil <= now) this.lose(held)
  }
}
