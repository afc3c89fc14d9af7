import { BroadcasterError } from '../errors.ts'

/**
 * Calls user code that may take `timeout` ms, and returns when it does, when the time is over, or when the send is
 * aborted, whether or not the code heeds its signal.
 *
 * Rejects with `SEND_TIMEOUT`, which costs a retry, only after the whole time was granted; with `SEND_NOT_ATTEMPTED`,
 * which costs none, when the send ended earlier: the code may not be blamed for time that it did not get.
 */
export async function boundedCall<T>(
  what: string,
  timeout: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let onAbort = (): void => undefined
  const ended = new Promise<never>((_resolve, reject) => {
    const end = (error: BroadcasterError): void => {
      reject(error)
      stop.abort(error)
    }
    onAbort = () =>
      end(
        new BroadcasterError('SEND_NOT_ATTEMPTED', `${what} was interrupted when its send ended`, {
          cause: signal.reason,
        }),
      )
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    timer = setTimeout(
      () => end(new BroadcasterError('SEND_TIMEOUT', `${what} took longer than ${timeout} ms`)),
      timeout,
    )
  })
  try {
    // Called in a microtask of its own, so that a synchronous throw rejects too.
    const called = Promise.resolve().then(() => (stop.signal.aborted ? ended : call(stop.signal)))
    return await Promise.race([called, ended])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
