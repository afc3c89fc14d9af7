import { setTimeout as delay } from 'node:timers/promises'
import { BroadcasterError } from '../../errors.ts'
import { databaseError } from '../database-error.ts'

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

/** SQLite's primary result code, whatever the extended one. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

/**
 * Runs `work` and, while another connection holds the lock, runs it again, for at most `patience` ms. SQLite's own
 * busy handler would sleep inside this thread, where the holder of the lock may be waiting to go on.
 */
export async function whileBusy<T>(patience: number, work: () => T): Promise<T> {
  const deadline = performance.now() + patience
  for (let pause = 1; ; pause = Math.min(pause * 2, 25)) {
    try {
      return work()
    } catch (error) {
      const code = resultCode(error)
      if (code !== SQLITE_BUSY && code !== SQLITE_LOCKED) throw translated(error)
      if (performance.now() >= deadline) {
        throw new BroadcasterError(
          'STORE_BUSY',
          `another connection has kept the SQLite outbox locked for more than busyTimeout (${patience} ms)`,
          { field: 'busyTimeout', value: patience, cause: error },
        )
      }
    }
    // Jitter: two processes that were refused together should not try again together.
    await delay(pause * (0.5 + Math.random()))
  }
}

function translated(error: unknown): unknown {
  if (resultCode(error) === undefined) return error
  const meaning = databaseError('sqlite', error)
  if (meaning.code !== 'STORE_UNAVAILABLE') return meaning
  // A file has no server, so this is not about reaching one.
  return new BroadcasterError('STORE_UNAVAILABLE', `the SQLite outbox cannot be read or written: ${String(error)}`, {
    cause: error,
  })
}
