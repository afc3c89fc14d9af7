/** What a worker asks of the rate of a backend, or of a destination behind it. */
export interface PermitRequest {
  /** How many events could go now, 1 or more. */
  readonly events: number
  /** Milliseconds from one event to the next: the rate. */
  readonly interval: number
  /** How many may go at once after a pause. */
  readonly burst: number
}

/** Permits to send one event each, or none. */
export interface Permits {
  /** How many; 0 = ask again after `wait`. */
  readonly taken: number
  /** In how many milliseconds they may be used, counted from the answer. */
  readonly wait: number
}

/** Permits are given for use no later than this from now, in ms, so that a worker that ends loses no more of them. */
export const FURTHEST_AHEAD = 1_000
/** Of those that may not be used at once, as many are given at a time as fit in so many ms. */
export const TOGETHER = 100
/** Of the clock and of sums, in ms. */
export const PRECISION = 1

/**
 * The generic cell rate algorithm, for several at once. `spent`: how many ms after now all that was taken is paid for by the
 * rate; 0 or less = nothing is owed. Returns what is taken, and what is then spent: null = as before, nothing is to be written.
 *
 * What is owed never exceeds `burst` events by more than `FURTHEST_AHEAD`: more was left behind by a clock that was set back, or by
 * a slower rate, and counts as that much: no burst is given anew. It is written even where nothing is taken: a rate slower than
 * one in `FURTHEST_AHEAD` would otherwise count it anew each time, and give nothing until the clock is where it was.
 *
 * `take-permits.ts` of PostgreSQL has the same in SQL.
 */
export function takePermits(
  spent: number,
  { events, interval, burst }: PermitRequest,
): Permits & { spent: number | null } {
  const allowance = burst * interval
  // The clock and the sum have their own precision.
  const isTooMuch = spent > allowance + FURTHEST_AHEAD + PRECISION
  const owed = isTooMuch ? allowance : Math.max(0, spent)
  const atOnce = Math.floor((allowance - owed) / interval)
  const together = Math.max(1, Math.floor(TOGETHER / interval))
  const taken = Math.min(events, Math.max(atOnce, Math.min(together, burst)))
  const wait = Math.max(0, owed + taken * interval - allowance)
  if (wait > FURTHEST_AHEAD) return { taken: 0, wait: wait - FURTHEST_AHEAD, spent: isTooMuch ? owed : null }
  return { taken, wait, spent: owed + taken * interval }
}
