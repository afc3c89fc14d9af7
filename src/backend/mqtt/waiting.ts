import { OutageError } from '../send-error.ts'
import { errorOfConnection } from './send-failure.ts'

/** Waits at most `timeout` ms; rejects with an `OutageError` then. */
export async function within<T>(timeout: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new OutageError(`no answer from the MQTT server within ${timeout} ms`)), timeout)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Until a promise settles, or `signal` aborts: the promise then goes on alone. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(errorOfConnection(signal.reason, 'ended before the MQTT server answered'))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    if (signal.aborted) onAbort()
  })
}
