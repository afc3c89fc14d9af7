/**
 * Whether a loop still turns: it beats at each turn, and the next beat must come within `longest` milliseconds,
 * whatever the loop waits for.
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

  /** Until the next beat the loop waits for work that has limits of its own, however late it ends. */
  rest(): void {
    this.#due = Number.POSITIVE_INFINITY
  }

  /** For how long the next turn is overdue, in milliseconds; 0 = it is not. */
  get overdue(): number {
    return Math.max(0, performance.now() - this.#due)
  }
}
