import type { Backend } from './backend.ts'

/** The longest that a send may take, in milliseconds: as long as a lease may be. */
const LONGEST = 600_000

/**
 * The times of a backend that begins the events of a send one by one: a few at once, or those of a key in sequence.
 * Each event has `timeout` ms and `margin` beyond it; the send has a third more, during which events may be begun. What
 * was not begun by then goes with a later send: a hundred slow events would take longer than a send may, and those in
 * the middle would be cut off. With the default of 5 s a send has 0.7 of the lease.
 */
export function timesOfEach(timeout: number, margin = 250): Required<Pick<Backend, 'timeout' | 'eventTimeout'>> {
  const eventTimeout = timeout + margin
  const send = Math.max(timeout + timeout / 3 + 250, eventTimeout + timeout / 10)
  return { eventTimeout, timeout: Math.max(eventTimeout, Math.min(LONGEST, Math.ceil(send))) }
}
