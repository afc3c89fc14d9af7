/** A message that the broker counts as ours. */
export interface Held<Message> {
  readonly id: string
  /** As it came last. */
  message: Message
  /** Monotonic, in milliseconds; until then the broker will surely not hand it to somebody else. */
  safeUntil: number
  readonly lost: AbortController
}

/** The longest that a timer can wait, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * What is in hand, where a broker takes back what it has not heard of for some time. Each is lost the moment its time is
 * over, whatever else is going on: a sign of life to a broker that does not answer can take longer than that.
 */
export class HeldDeliveries<Message> {
  readonly #held = new Map<string, Held<Message>>()
  #timer: NodeJS.Timeout | undefined
  /** When the timer looks, by the monotonic clock. */
  #looksAt = Number.POSITIVE_INFINITY

  /** Undefined for one that is in hand already: it is still ours, as it came last. */
  add(id: string, message: Message, safeUntil: number): Held<Message> | undefined {
    const known = this.#held.get(id)
    if (known) {
      known.message = message
      known.safeUntil = safeUntil
      this.#lookAt(Math.min(this.#looksAt, safeUntil))
      return undefined
    }
    const held: Held<Message> = { id, message, safeUntil, lost: new AbortController() }
    this.#held.set(id, held)
    this.#lookAt(Math.min(this.#looksAt, safeUntil))
    return held
  }

  knows(id: string): boolean {
    return this.#held.has(id)
  }

  has(held: Held<Message>): boolean {
    return this.#held.get(held.id) === held
  }

  /** Whether it was in hand. */
  remove(held: Held<Message>): boolean {
    if (!this.has(held)) return false
    this.#held.delete(held.id)
    if (this.#held.size === 0) this.#lookAt(Number.POSITIVE_INFINITY)
    return true
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

  #lookAt(time: number): void {
    if (time === this.#looksAt) return
    this.#looksAt = time
    clearTimeout(this.#timer)
    if (time === Number.POSITIVE_INFINITY) return
    const wait = Math.min(Math.max(1, time - performance.now()), LONGEST_TIMER)
    this.#timer = setTimeout(() => this.#look(), Math.ceil(wait))
  }

  #look(): void {
    this.#looksAt = Number.POSITIVE_INFINITY
    this.loseLate(performance.now())
    let next = Number.POSITIVE_INFINITY
    for (const { safeUntil } of this.#held.values()) next = Math.min(next, safeUntil)
    this.#lookAt(next)
  }
}
