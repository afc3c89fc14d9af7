/**
 * Whether a loop still turns: at each turn it says that it is there, and the next must come within `longest` milliseconds,
 * whatever the things do that it waits for.
 */
export class Pulse {
  readonly #longest: number
  #due = Number.POSITIVE_INFINITY

  /** `longest`: how long one turn may take, in milliseconds. */
  constructor(longest: number) {
    this.#longest = longest
  }

  /** The loop turns. */
  beat(): void {
    this.#due = performance.now() + this.#longest
  }

  /** From here to the next beat the loop waits for work whose end comes by itself, however late that may be. */
  rest(): void {
    this.#due = Number.POSITIVE_INFINITY
  }

  /** For how long the next turn is overdue, in milliseconds; 0 = it is not. */
  get overdue(): number {
    return Math.max(0, performance.now() - this.#due)
  }
}
