import { BroadcasterError } from './errors.ts'

/** How long the closing of one thing may take, in milliseconds. */
export const CLOSE_TIME = 10_000

/**
 * Closes something in at most `timeout` ms (default 10 s), even if what it waits for never answers. Rejects as `close`
 * does, with `CLOSE_TIMEOUT` when the time is over: it goes on by itself then, and `force` may cut off what is left.
 * `what` names it for people.
 */
export async function closeWithin(
  what: string,
  close: () => Promise<unknown>,
  { timeout = CLOSE_TIME, force }: { readonly timeout?: number; readonly force?: () => void } = {},
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const message = `${what} did not close within ${timeout} ms; what it waits for does not answer, and its connections may stay open until the process ends`
      reject(new BroadcasterError('CLOSE_TIMEOUT', message))
      force?.()
    }, timeout)
  })
  try {
    // In a microtask of its own, so that what throws at once rejects too.
    await Promise.race([Promise.resolve().then(close), late])
  } finally {
    clearTimeout(timer)
  }
}
