import { BroadcasterError } from '../errors.ts'
import { callWithin } from './waiting.ts'

/** How long the closing of one thing may take, in milliseconds. */
export const CLOSE_TIME = 10_000

/**
 * Closes something in at most `timeout` ms (default 10 s), even if what it waits for never answers. Rejects as `close`
 * does, or with `CLOSE_TIMEOUT` when the time is up; the close then goes on by itself. `what` names it for people.
 */
export async function closeWithin(
  what: string,
  close: () => Promise<unknown>,
  { timeout = CLOSE_TIME }: { readonly timeout?: number } = {},
): Promise<void> {
  await callWithin({ timeout }, close, () => {
    const message = `${what} did not close within ${timeout} ms; what it waits for does not answer, and its connections may stay open until the process ends`
    return new BroadcasterError('CLOSE_TIMEOUT', message)
  })
}
