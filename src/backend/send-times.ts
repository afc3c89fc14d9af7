import type { Backend } from './backend.ts'

/** No send may take longer, in milliseconds: a lease may not either. */
const LONGEST = 600_000

/**
 * The times of a backend that begins the events of a send one by one: a few at once, or those of a key one after the other. Each has
 * `timeout` ms of its own and `margin` beyond it, and the send a third more, in which events may be begun. What was not begun by then
 * goes with a later send: where each takes its time, a send of a hundred lasts longer than any one of them may, and those in the
 * middle would be cut off. With the default of 5 s that is 0.7 of the lease.
 */
export function timesOfEach(timeout: number, margin = 250): Required<Pick<Backend, 'timeout' | 'eventTimeout'>> {
  const eventTimeout = timeout + margin
  const send = Math.max(timeout + timeout / 3 + 250, eventTimeout + timeout / 10)
  return { eventTimeout, timeout: Math.max(eventTimeout, Math.min(LONGEST, Math.ceil(send))) }
}
