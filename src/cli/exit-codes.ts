import { BroadcasterError, type ErrorCode } from '../errors.ts'

/** What the command `broadcaster` ends with; `docs/cli.md` lists the same. */
export const EXIT = {
  ok: 0,
  /** Something failed; the message says what. */
  failure: 1,
  /** The command line was wrong: nothing was done. */
  usage: 2,
  /** The configuration file is missing or cannot be used. */
  config: 3,
  /** The outbox is missing, outdated or too new: run `broadcaster migrate`, or update. */
  schema: 4,
  /** The database cannot be reached, is busy, or refuses. */
  store: 5,
  /** Something is not healthy (`health`, `doctor`). */
  unhealthy: 6,
  /** No such event. */
  notFound: 7,
} as const

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  // Only what was typed can name one: of the configuration file it is CONFIG_INVALID.
  UNKNOWN_BACKEND: EXIT.usage,
  CONFIG_NOT_FOUND: EXIT.config,
  CONFIG_INVALID: EXIT.config,
  SCHEMA_MISSING: EXIT.schema,
  SCHEMA_OUTDATED: EXIT.schema,
  SCHEMA_TOO_NEW: EXIT.schema,
  TAKEOVER_REFUSED: EXIT.schema,
  PARTITION_REFUSED: EXIT.schema,
  STORE_UNAVAILABLE: EXIT.store,
  STORE_BUSY: EXIT.store,
  STORE_READ_ONLY: EXIT.store,
  STORE_FAILED: EXIT.store,
  PERMISSION_DENIED: EXIT.store,
  DATABASE_MISSING: EXIT.store,
  DOES_NOT_EXIST: EXIT.notFound,
  ILLEGAL_STATUS_MOVE: EXIT.notFound,
  EVENT_IN_HAND: EXIT.store,
}

/** The command line was wrong; the message says how, and ends with where to read more. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  return error instanceof BroadcasterError ? (BY_CODE[error.code] ?? EXIT.failure) : EXIT.failure
}

/** The exit code of work that a signal ended before its end: 128 + the number of the signal, as shells show it. */
export function interruptedCode({ reason }: AbortSignal): number {
  return reason === 'SIGTERM' ? 143 : 130
}
