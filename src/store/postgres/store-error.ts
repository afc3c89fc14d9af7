import { BroadcasterError } from '../../errors.ts'
import type { ConnectionFate } from '../connections.ts'
import { databaseError } from '../database-error.ts'

/** SQLSTATEs after which the same statement may simply be run again: serialization failure, deadlock. */
const CONFLICT: ReadonlySet<string> = new Set(['40001', '40P01'])
/** Lock not available, query cancelled by a timeout, too many connections, out of memory or disk. */
const BUSY: ReadonlySet<string> = new Set(['55P03', '57014', '53100', '53200', '53300', '53400'])
/**
 * This server cannot do it now, and another may: read-only, as a standby or one that was demoted is; shutting down, starting.
 */
const CANNOT_SERVE: ReadonlySet<string> = new Set(['25006', '57P01', '57P02', '57P03'])
const MISSING: ReadonlySet<string> = new Set(['42P01', '3F000'])
const OUTDATED: ReadonlySet<string> = new Set(['42703', '42883'])
const SQLSTATE = /^[0-9A-Z]{5}$/

/** The SQLSTATE of a PostgreSQL error; undefined for errors of the client or the connection. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  // System error codes such as EPIPE can look like one, but only those begin with E and a letter.
  return SQLSTATE.test(error.code) && !/^E[A-Z]/.test(error.code) ? error.code : undefined
}

/** Whether the statement lost a race against another transaction and may be run again. */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error instanceof BroadcasterError ? error.cause : error)
  return state !== undefined && CONFLICT.has(state)
}

/** Whether the statement waited for a lock as long as it may. */
export function isLocked(error: unknown): boolean {
  return sqlState(error instanceof BroadcasterError ? error.cause : error) === '55P03'
}

/** What an error of a statement says about its connection. */
export function fateAfter(error: unknown): ConnectionFate {
  const state = sqlState(error instanceof BroadcasterError ? error.cause : error)
  if (state === undefined) return 'drop'
  if (CANNOT_SERVE.has(state)) return 'leave-server'
  // Of the connection, of the server's disk or memory, or of a killed session.
  return /^(08|57P|58|25P03|XX)/.test(state) ? 'drop' : 'keep'
}

/**
 * What a failed statement means to us, by SQLSTATE. An error without one is the connection's: unavailable.
 */
export function storeError(error: unknown): unknown {
  if (error instanceof BroadcasterError || error instanceof TypeError || error instanceof RangeError) return error
  const state = sqlState(error)
  const said = error instanceof Error ? error.message : String(error)
  if (state !== undefined && CANNOT_SERVE.has(state)) {
    const message = `this PostgreSQL server cannot do it now, and its connections are dropped: ${said}`
    return new BroadcasterError('STORE_UNAVAILABLE', message, { cause: error })
  }
  if (state === undefined || state.startsWith('08') || state.startsWith('57P')) {
    return new BroadcasterError('STORE_UNAVAILABLE', `PostgreSQL cannot be reached: ${said}`, { cause: error })
  }
  if (CONFLICT.has(state) || BUSY.has(state)) {
    return new BroadcasterError('STORE_BUSY', `PostgreSQL could not do it just now: ${said}`, { cause: error })
  }
  if (MISSING.has(state)) {
    return new BroadcasterError('SCHEMA_MISSING', `there is no outbox here (${said}); run \`broadcaster migrate\``, {
      cause: error,
    })
  }
  if (OUTDATED.has(state)) {
    return new BroadcasterError('SCHEMA_OUTDATED', `the outbox is outdated (${said}); run \`broadcaster migrate\``, {
      cause: error,
    })
  }
  return databaseError('postgres', error)
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
