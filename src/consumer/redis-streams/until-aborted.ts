/** For so many milliseconds, or until `signal` aborts. */
export function pause(duration: number, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, duration)
  return untilAborted(over.promise, signal).finally(() => clearTimeout(timer))
}

/** Until a promise settles, or `signal` aborts: the promise then goes on alone. */
export async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>()
  const onAbort = (): void => aborted.resolve()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  promise.catch(() => undefined)
  await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort))
}
