/** What ends a wait before what is waited for. */
export interface WaitLimit {
  /** Milliseconds. Default: none. */
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
  /** How long the wait goes on after the abort, in milliseconds, whatever `timeout` says. Default 0. */
  readonly grace?: number
}

/** The longest that a timer can wait, in milliseconds: one that is set for longer fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Settles as `promise` does, or rejects with what `late` returns when the limit comes first. What was waited for then
 * goes on by itself, and a later rejection of it is not an unhandled one. Leaves no timer and no listener.
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

/** Settles as the promise does, or resolves when `signal` aborts: the promise then goes on by itself. */
export async function untilSettled(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (await settles(promise, { signal })) await promise
}

/**
 * Calls code that may ignore its signal. When the limit comes, the signal aborts with what `late` returns, and the wait
 * ends. `because` tells which limit it was. If the abort came first, the code is not called at all.
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
 * For many waits that one signal ends: a promise that resolves with what `value` returns when it aborts. `forget`
 * removes its one listener. With a listener for each of a thousand waits, every new one would be compared with all
 * others.
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
