import { LONGEST_TIMER } from '../foundation/waiting.ts'

/** A message that the broker counts as ours. */
export interface HeldMessage<Message> {
  readonly id: string
  /** As it was last delivered. */
  message: Message
  /** By the monotonic clock, in ms: until then the broker is sure not to hand it to another process. */
  safeUntil: number
  readonly lost: AbortController
}

/**
 * What is in hand, where a broker takes back what was not renewed for some time. Each message is lost the moment its
 * time is over, whatever else is going on: a renewal at a broker that does not answer can take longer than that.
 */
export class HeldDeliveries<Message> {
  readonly #held = new Map<string, HeldMessage<Message>>()
  readonly #onLate: (lost: readonly HeldMessage<Message>[]) => void
  #timer: NodeJS.Timeout | undefined
  /** When the timer looks, by the monotonic clock. */
  #looksAt = Number.POSITIVE_INFINITY

  /** `onLate` gets those whose time ran out, the oldest first. The broker may still count some of them as ours. */
  constructor(onLate: (lost: readonly HeldMessage<Message>[]) => void = () => undefined) {
    this.#onLate = onLate
  }

  /** Undefined for one that is in hand already: it is still ours, as last delivered. */
  add(id: string, message: Message, safeUntil: number): HeldMessage<Message> | undefined {
    const known = this.#held.get(id)
    if (known) {
      known.message = message
      known.safeUntil = safeUntil
      this.#lookAt(Math.min(this.#looksAt, safeUntil))
      return undefined
    }
    const held: HeldMessage<Message> = { id, message, safeUntil, lost: new AbortController() }
    this.#held.set(id, held)
    this.#lookAt(Math.min(this.#looksAt, safeUntil))
    return held
  }

  knows(id: string): boolean {
    return this.#held.has(id)
  }

  has(held: HeldMessage<Message>): boolean {
    return this.#held.get(held.id) === held
  }

  /** Whether it was in hand. */
  remove(held: HeldMessage<Message>): boolean {
    if (!this.has(held)) return false
    this.#held.delete(held.id)
    if (this.#held.size === 0) this.#lookAt(Number.POSITIVE_INFINITY)
    return true
  }

  all(): readonly HeldMessage<Message>[] {
    return [...this.#held.values()]
  }

  /** These were renewed at the broker. */
  renew(held: readonly HeldMessage<Message>[], safeUntil: number): void {
    for (const each of held) each.safeUntil = Math.max(each.safeUntil, safeUntil)
  }

  /** Forgets one that another process has, or may have, by now. */
  lose(held: HeldMessage<Message>): void {
    if (this.remove(held)) held.lost.abort()
  }

  /**
   * Forgets what was not renewed in time, and all that came after it: otherwise a later one of its key, renewed more
   * recently, would be handled before it.
   */
  loseLate(now: number): void {
    const all = this.all()
    const first = all.findIndex(({ safeUntil }) => safeUntil <= now)
    if (first < 0) return
    const lost = all.slice(first)
    this.#onLate(lost)
    for (const held of lost) this.lose(held)
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
