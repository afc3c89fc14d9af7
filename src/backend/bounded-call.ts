import { BroadcasterError } from '../errors.ts'
import { callWithin } from '../foundation/waiting.ts'

/**
 * Calls user code that may take `timeout` ms. Returns when the code does, when the time is up, or when the send is
 * aborted, whether or not the code reacts to its signal.
 *
 * Rejects with `SEND_TIMEOUT`, which costs a retry, only after the full time; with `SEND_NOT_ATTEMPTED`, which costs
 * none, when the send ended earlier: the code is not to blame for time that it did not get.
 */
export function boundedCall<T>(
  what: string,
  timeout: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  return callWithin({ timeout, signal }, call, (because) =>
    because === 'timeout'
      ? new BroadcasterError('SEND_TIMEOUT', `${what} took longer than ${timeout} ms`)
      : new BroadcasterError('SEND_NOT_ATTEMPTED', `${what} was interrupted when its send ended`, {
          cause: signal.reason,
        }),
  )
}
