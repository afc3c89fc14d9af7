import { settles } from '../foundation/waiting.ts'

/** How long `take` waits for a message, in milliseconds. */
const WAIT = 5_000

/** What one connection has delivered to a subscription: ours until it is concluded, or until the connection is lost. */
export class Received<Message> {
  readonly #lost = new AbortController()
  /** In the order received. */
  readonly #held = new Set<Message>()
  /** Received and not delivered yet. */
  readonly #waiting: Message[] = []
  #changed = Promise.withResolvers<void>()
  #error: unknown

  /** Aborts when what was delivered is no longer ours. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Why it was lost, as the client or the broker said first. */
  get error(): unknown {
    return this.#error
  }

  add(message: Message): void {
    this.#held.add(message)
    this.#waiting.push(message)
    this.wake()
  }

  has(message: Message): boolean {
    return this.#held.has(message)
  }

  /** Concludes a message; whether it was ours until now. */
  conclude(message: Message): boolean {
    return this.#held.delete(message)
  }

  /** Hands one out again, before those that came after it. */
  putBack(message: Message): void {
    const places = new Map(Array.from(this.#held, (each, place) => [each, place]))
    const place = places.get(message) ?? 0
    const at = this.#waiting.findIndex((each) => (places.get(each) ?? 0) > place)
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, message)
  }

  /**
   * The next messages, or none: when `signal` aborts, when the connection is lost, after `wake`, or after some time.
   */
  async take(limit: number, signal: AbortSignal): Promise<readonly Message[]> {
    if (this.#waiting.length === 0 && !this.lost.aborted && !signal.aborted) {
      await settles(this.#changed.promise, { timeout: WAIT, signal })
      // What arrived in the same read of the socket is delivered together.
      if (!signal.aborted) await new Promise((resolve) => setImmediate(resolve))
    }
    return this.#waiting.splice(0, limit)
  }

  wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Notes why it will be lost. */
  blame(error: unknown): void {
    this.#error ??= error
  }

  lose(): void {
    this.#waiting.length = 0
    this.#held.clear()
    this.#lost.abort()
    this.wake()
  }
}
