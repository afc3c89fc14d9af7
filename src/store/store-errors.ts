import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'
import type { ConnectionFate } from './connections.ts'
import { databaseError } from './database-error.ts'
import type { Dialect } from './statement.ts'

/** A server's error codes, as far as they decide what is done next. */
export interface ServerErrors<Code> {
  readonly dialect: Dialect
  /** For messages: `PostgreSQL`. */
  readonly database: string
  /** The code of an error that the server sent; undefined for errors of the client or the connection. */
  codeOf(error: unknown): Code | undefined
  /** The same statement or transaction may simply be run again: a deadlock, a row that changed after it was read. */
  readonly conflict: ReadonlySet<Code>
  /** It waited for a lock as long as it may. */
  readonly locked: Code
  /** This server cannot do it now, but another may: it is read-only, shutting down, or has left its cluster. */
  readonly cannotServe: ReadonlySet<Code>
  /** The connection is lost, or in an unknown state. */
  isLost(code: Code): boolean
}

/** How often a statement that loses races is run. */
const TRIES = 5

/** What errors of a server mean to a store: decided by their codes, never by their text. */
export function storeErrors<Code>({
  dialect,
  database,
  codeOf,
  conflict,
  locked,
  cannotServe,
  isLost,
}: ServerErrors<Code>) {
  /** For one of our errors, the code of its cause. */
  const serverCode = (error: unknown): Code | undefined =>
    codeOf(error instanceof BroadcasterError ? error.cause : error)

  const isConflict = (error: unknown): boolean => {
    const code = serverCode(error)
    return code !== undefined && conflict.has(code)
  }

  /** What a failed statement means. An error without a code is the connection's: unavailable. */
  const storeError = (error: unknown): unknown => {
    if (error instanceof BroadcasterError || error instanceof TypeError || error instanceof RangeError) return error
    const code = codeOf(error)
    const said = errorMessage(error)
    const unavailable = (what: string): BroadcasterError =>
      new BroadcasterError('STORE_UNAVAILABLE', `${what}: ${said}`, { cause: error })
    if (code === undefined) return unavailable(`${database} cannot be reached`)
    if (cannotServe.has(code))
      return unavailable(`this ${database} server cannot do it now, and its connections are dropped`)
    const meaning = databaseError(dialect, error)
    if (meaning.code === 'STORE_UNAVAILABLE') return unavailable(`${database} cannot be reached`)
    // A conflict has been retried already.
    if (meaning.code !== 'STORE_BUSY' && meaning.code !== 'TRANSACTION_CONFLICT') return meaning
    return new BroadcasterError('STORE_BUSY', `${database} could not do it just now: ${said}`, { cause: error })
  }

  return {
    serverCode,
    storeError,
    isLocked: (error: unknown): boolean => serverCode(error) === locked,
    /** What an error of a statement says about its connection. */
    fateAfter(error: unknown): ConnectionFate {
      const code = serverCode(error)
      if (code === undefined) return 'drop'
      if (cannotServe.has(code)) return 'leave-server'
      return isLost(code) ? 'drop' : 'keep'
    },
    /** Runs a statement or transaction that may lose races; what it finally throws is a store error. */
    async runAgainOnConflict<T>(run: () => Promise<T>): Promise<T> {
      for (let tries = 1; ; tries++) {
        try {
          return await run()
        } catch (error) {
          if (tries >= TRIES || !isConflict(error)) throw storeError(error)
        }
      }
    },
  }
}
