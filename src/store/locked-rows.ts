/** How long, in ms, no locked row is waited for after one was found: its outcome is tried again with later ones. */
const MEMORY = 10_000

/**
 * Writes rows in one of two ways. `plainly` waits briefly for locked rows, and costs nothing extra while there are
 * none. Once it has waited in vain, and for a while after that, `around` leaves locked rows out and reports them.
 */
export function aroundLocked<T>(isLocked: (error: unknown) => boolean) {
  let until = Number.NEGATIVE_INFINITY
  return async (plainly: () => Promise<T>, around: () => Promise<T>): Promise<T> => {
    if (performance.now() >= until) {
      try {
        return await plainly()
      } catch (error) {
        if (!isLocked(error)) throw error
        until = performance.now() + MEMORY
      }
    }
    return around()
  }
}

/** When parked rows that were locked are looked at again, in ms. */
export const LOCKED_AGAIN = 100
