import { BroadcasterError } from '../errors.ts'

/**
 * Does `work` in at most `timeout` ms, even if it ignores its signal. Rejects with `SEND_TIMEOUT` when they are over.
 */
export async function within<T>(timeout: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const error = new BroadcasterError('SEND_TIMEOUT', `the backend did not answer within ${timeout} ms`)
    stop.abort(error)
    late.reject(error)
  }, timeout)
  try {
    return await Promise.race([work(stop.signal), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
