/** What became of a promise: its value, its error, or nothing yet. */
export type Settlement<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'open'; readonly because: 'timeout' | 'aborted' }

/** Waits for all promises, at most `timeout` ms and until `signal` aborts; then tells of each what is known. */
export function settleWithin<T>(
  promises: readonly Promise<T>[],
  timeout: number,
  signal: AbortSignal,
): Promise<readonly Settlement<T>[]> {
  return new Promise((resolve) => {
    const known: (Settlement<T> | undefined)[] = new Array<undefined>(promises.length).fill(undefined)
    let open = promises.length
    const finish = (because: 'timeout' | 'aborted'): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      resolve(known.map((each) => each ?? { kind: 'open', because }))
    }
    const onAbort = (): void => finish('aborted')
    const timer = setTimeout(() => finish('timeout'), timeout)
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (at: number, settlement: Settlement<T>): void => {
      known[at] = settlement
      if (--open === 0) finish('timeout')
    }
    for (const [at, promise] of promises.entries()) {
      promise.then(
        (value) => settle(at, { kind: 'value', value }),
        (error: unknown) => settle(at, { kind: 'error', error }),
      )
    }
    if (open === 0) finish('timeout')
    if (signal.aborted) finish('aborted')
  })
}
