/**
 * After a row was found locked none is waited for for this long, in ms: its outcome is tried again with those of
 * others.
 */
const MEMORY = 10_000

/**
 * Writes rows in one of two ways. `plainly` waits for locked rows, for a short time: as long as none is, it costs nothing more.
 * When it has waited in vain, and for a while after that, `around` leaves those rows out and tells which.
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

/** When what could not be brought back, since it was locked, is looked at again, in ms. */
export const LOCKED_AGAIN = 100
