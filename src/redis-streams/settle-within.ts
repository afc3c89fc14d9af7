import { settles } from '../foundation/waiting.ts'

/** The outcome of a promise: its value, its error, or nothing yet. */
export type Settlement<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'open'; readonly because: 'timeout' | 'aborted' }

/** Waits for all promises, at most `timeout` ms or until `signal` aborts; then returns what is known of each. */
export async function settleWithin<T>(
  promises: readonly Promise<T>[],
  timeout: number,
  signal: AbortSignal,
): Promise<readonly Settlement<T>[]> {
  const known = new Array<Settlement<T> | undefined>(promises.length).fill(undefined)
  const all = promises.map((promise, at) =>
    promise.then(
      (value) => void (known[at] = { kind: 'value', value }),
      (error: unknown) => void (known[at] = { kind: 'error', error }),
    ),
  )
  await settles(Promise.all(all), { timeout, signal })
  const because = signal.aborted ? 'aborted' : 'timeout'
  return known.map((each) => each ?? { kind: 'open', because })
}
