import { BroadcasterError } from '../errors.ts'
import type { Pause } from '../foundation/pause.ts'

export interface StartWhenThereOptions {
  /** Rejects with the first error, whatever it is. */
  readonly failFast: boolean
  /** Whether the start is no longer wanted. */
  readonly isOver: () => boolean
  /** Ended when it is over. */
  readonly rest: Pause
  /** Called once, with why it waits. */
  readonly onAway: (error: unknown) => void
  readonly onBack: () => void
}

/** The longest pause between two tries, in ms. */
const LONGEST_PAUSE = 5_000

/**
 * Starts as soon as the database is there: one that is down is waited for, one that says what must be changed (no schema, no
 * rights) rejects at once. Resolves with undefined when it is no longer wanted.
 */
export async function startWhenThere<T>(
  begin: () => Promise<T>,
  options: StartWhenThereOptions,
): Promise<T | undefined> {
  const { failFast, isOver, rest, onAway, onBack } = options
  let waited = false
  for (let pause = 100; ; pause = Math.min(LONGEST_PAUSE, 2 * pause)) {
    try {
      const begun = await begin()
      if (waited) onBack()
      return begun
    } catch (error) {
      if (failFast || !(error instanceof BroadcasterError && error.retryable)) throw error
      if (!waited) onAway(error)
      waited = true
    }
    if (!isOver()) await rest.sleep(pause)
    if (isOver()) return undefined
  }
}
