import { BroadcasterError } from '../../errors.ts'
import type { ConnectionFate } from '../connections.ts'
import { databaseError } from '../database-error.ts'

/**
 * Error numbers after which the same transaction may simply be run again: deadlock, and (MariaDB with snapshot
 * isolation) a row that changed after it was read.
 */
const CONFLICT: ReadonlySet<number> = new Set([1213, 1020])
/**
 * Lock wait timeout: it has waited already, so whoever asked shall know. Too many connections, too many of a user, out of
 * memory or disk, statement interrupted by a timeout.
 */
const BUSY: ReadonlySet<number> = new Set([
  1205, 1021, 1037, 1038, 1040, 1041, 1114, 1203, 1226, 1317, 1969, 3024, 3100, 3101,
])
/**
 * This server cannot do it now, and another may. Read-only, as a replica or one that was demoted is: 1290 (`read_only`, or another
 * option), 1792 (transaction_read_only), 1836 (InnoDB). Shutting down: 1053. Offline mode: 3032. Not, or no more, a member of
 * its cluster: 1047 (Galera), 3098, 3168.
 */
const CANNOT_SERVE: ReadonlySet<number> = new Set([1047, 1053, 1290, 1792, 1836, 3032, 3098, 3168])
/** No such table. */
const MISSING: ReadonlySet<number> = new Set([1146])
/** No such column, no such index. */
const OUTDATED: ReadonlySet<number> = new Set([1054, 1176])
/** A packet larger than `max_allowed_packet`: as the server says it, and as the result of a function. */
const TOO_LARGE: ReadonlySet<number> = new Set([1153, 1162, 1301])
/** The server ends the connection: shutdown, killed. */
const LOST: ReadonlySet<number> = new Set([1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031])

/** The number of an error that the server sent; undefined for errors of the client or the connection. */
export function errorNumber(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return undefined
  // Network errors have a negative `errno`; the client's own have a code and no SQLSTATE.
  return error.errno > 0 && 'sqlState' in error ? error.errno : undefined
}

/** Whether the statement lost a race against another transaction and may be run again. */
export function isConflict(error: unknown): boolean {
  const number = errorNumber(error instanceof BroadcasterError ? error.cause : error)
  return number !== undefined && CONFLICT.has(number)
}

/** Whether the statement waited for a lock as long as it may. */
export function isLocked(error: unknown): boolean {
  return errorNumber(error instanceof BroadcasterError ? error.cause : error) === 1205
}

/** Whether the server refused a statement for its size. */
export function isTooLarge(error: unknown): boolean {
  const number = errorNumber(error)
  return number !== undefined && TOO_LARGE.has(number)
}

/** What an error of a statement says about its connection. */
export function fateAfter(error: unknown): ConnectionFate {
  const number = errorNumber(error instanceof BroadcasterError ? error.cause : error)
  if (number === undefined) return 'drop'
  if (CANNOT_SERVE.has(number)) return 'leave-server'
  return LOST.has(number) ? 'drop' : 'keep'
}

/**
 * What a failed statement means to us, by number. An error without one is the connection's: unavailable.
 */
export function storeError(error: unknown): unknown {
  if (error instanceof BroadcasterError || error instanceof TypeError || error instanceof RangeError) return error
  const number = errorNumber(error)
  const said = error instanceof Error ? error.message : String(error)
  if (number !== undefined && CANNOT_SERVE.has(number)) {
    const message = `this MySQL server cannot do it now, and its connections are dropped: ${said}`
    return new BroadcasterError('STORE_UNAVAILABLE', message, { cause: error })
  }
  if (number === undefined || LOST.has(number)) {
    return new BroadcasterError('STORE_UNAVAILABLE', `MySQL cannot be reached: ${said}`, { cause: error })
  }
  if (CONFLICT.has(number) || BUSY.has(number)) {
    return new BroadcasterError('STORE_BUSY', `MySQL could not do it just now: ${said}`, { cause: error })
  }
  if (MISSING.has(number)) {
    return new BroadcasterError('SCHEMA_MISSING', `there is no outbox here (${said}); run \`broadcaster migrate\``, {
      cause: error,
    })
  }
  if (OUTDATED.has(number)) {
    return new BroadcasterError('SCHEMA_OUTDATED', `the outbox is outdated (${said}); run \`broadcaster migrate\``, {
      cause: error,
    })
  }
  return databaseError('mysql', error)
}

/** How often a statement that lost a race is run. */
const TRIES = 5

/** Runs a statement or transaction that may lose races; what it finally throws is a store's error. */
export async function runAgainOnConflict<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run()
    } catch (error) {
      if (tries >= TRIES || !isConflict(error)) throw storeError(error)
    }
  }
}
