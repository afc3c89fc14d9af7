import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'

/** The options of a take-over of a table in use; the defaults are for a busy one. */
export interface TakeOverOptions {
  /** Called with each step, and with the progress of copying. */
  readonly onProgress?: (message: string) => void
  /** How long a step waits for its lock, with all later users behind it, in milliseconds. Default: the database's. */
  readonly lockWait?: number
  /** How long it waits before it tries again, in milliseconds. Default: the database's. */
  readonly lockPause?: number
  /** How long one step tries in all before `STORE_BUSY`, in milliseconds. Default: 5 minutes. */
  readonly patience?: number
}

/**
 * Runs a step that needs a lock which others may hold for long. While it waits, all who come later wait behind it, so
 * it gives up soon with `STORE_BUSY`, pauses for `lockPause` ms, and tries again. `tooBusy` says what stood in the way
 * for all of `patience`, and what to do.
 */
export async function patiently<T>(
  step: () => Promise<T>,
  lockPause: number,
  patience: number,
  tooBusy: () => Promise<string>,
): Promise<T> {
  const pause = new Pause()
  const end = performance.now() + patience
  for (;;) {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof BroadcasterError) || error.code !== 'STORE_BUSY') throw error
      if (performance.now() > end) throw new BroadcasterError('STORE_BUSY', await tooBusy(), { cause: error })
      await pause.sleep(lockPause)
    }
  }
}
