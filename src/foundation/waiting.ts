/** What ends a wait before what is waited for. */
export interface WaitLimit {
  /** Milliseconds. Default: none. */
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
  /** How long the wait goes on after the abort, in milliseconds, whatever `timeout` says. Default 0. */
  readonly grace?: number
}

/** The longest that a timer can wait, in milliseconds: one that is set for longer fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Settles as `promise` does, or rejects with what `late` returns when the limit comes first. What was waited for goes on by
 * itself then, and nobody learns of its end: a rejection that comes later is not an unhandled one. Leaves no timer and no listener.
 */
export function waitFor<T>(promise: PromiseLike<T>, limit: WaitLimit, late: () => unknown): Promise<T> {
  return waitOrElse(promise, limit, () => {
    throw late()
  })
}

/** Whether a promise settles, either way, before the limit comes. Never rejects. */
export function settles(promise: PromiseLike<unknown>, limit: WaitLimit): Promise<boolean> {
  const settled = (): boolean => true
  return waitOrElse(promise.then(settled, settled), limit, () => false)
}

/** Until a promise settles, and as it does, or until `signal` aborts: the promise then goes on alone. */
export async function untilSettled(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (await settles(promise, { signal })) await promise
}

/**
 * Calls code that may ignore the signal it is given, which aborts with what `late` returns when the limit comes; then it is
 * waited for no more. `because` tells which limit it was. After an abort that came before, it is not called at all.
 */
export function callWithin<T>(
  limit: WaitLimit,
  call: (signal: AbortSignal) => T | PromiseLike<T>,
  late: (because: 'timeout' | 'abort') => unknown,
): Promise<T> {
  const stop = new AbortController()
  // In a microtask of its own, so that what throws at once rejects too.
  const called = Promise.resolve().then((): T | PromiseLike<T> => {
    stop.signal.throwIfAborted()
    return call(stop.signal)
  })
  return waitOrElse(called, limit, (because) => {
    const error = late(because)
    stop.abort(error)
    throw error
  })
}

/**
 * For many waits that one signal ends: a promise that resolves with what `value` returns when it aborts. `forget` takes the one
 * listener away; a listener for each of a thousand waits would be compared with all the others when it is added.
 */
export function abortOf<T>(
  signal: AbortSignal,
  value: () => T,
): { readonly promise: Promise<T>; readonly forget: () => void } {
  const { promise, resolve } = Promise.withResolvers<T>()
  const onAbort = (): void => resolve(value())
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return { promise, forget: () => signal.removeEventListener('abort', onAbort) }
}

function waitOrElse<T>(
  promise: PromiseLike<T>,
  { timeout, signal, grace = 0 }: WaitLimit,
  orElse: (because: 'timeout' | 'abort') => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const giveUp = (because: 'timeout' | 'abort'): void => {
      end()
      try {
        resolve(orElse(because))
      } catch (error) {
        reject(error)
      }
    }
    const startTimer = (duration: number, because: 'timeout' | 'abort'): void => {
      clearTimeout(timer)
      const onTime = (): void => {
        timer = undefined
        giveUp(because)
      }
      timer = setTimeout(onTime, Math.min(duration, LONGEST_TIMER))
    }
    const onAbort = (): void => (grace > 0 ? startTimer(grace, 'abort') : giveUp('abort'))
    promise.then(
      (value) => {
        end()
        resolve(value)
      },
      (error: unknown) => {
        end()
        reject(error)
      },
    )
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    if (timeout !== undefined) startTimer(timeout, 'timeout')
  })
}
