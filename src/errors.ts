/**
 * Every error that Broadcaster throws is a `BroadcasterError` with a code from this table.
 * `retryable` says whether the same call may succeed later without a change by the caller.
 * A retired code is never used again. `docs/errors.md` lists the same set; a test keeps them equal.
 */
export const ERROR_CODES = {
  // Input, refused before anything is written
  INVALID_EVENT: { retryable: false },
  INVALID_OPTION: { retryable: false },
  INVALID_DATA: { retryable: false },
  EVENT_TOO_LARGE: { retryable: false },
  UNKNOWN_BACKEND: { retryable: false },
  UNKNOWN_EVENT_TYPE: { retryable: false },
  PUBLISH_TIMEOUT: { retryable: true },
  DECODE_FAILED: { retryable: false },
  MESSAGES_MISSED: { retryable: false },
  // The transaction seam
  NOT_A_TRANSACTION: { retryable: false },
  TRANSACTION_ENDED: { retryable: false },
  TRANSACTION_ABORTED: { retryable: false },
  TRANSACTION_CONFLICT: { retryable: true },
  ADAPTER_MISMATCH: { retryable: false },
  // The record
  DOES_NOT_EXIST: { retryable: false },
  MULTIPLE_OBJECTS_RETURNED: { retryable: false },
  DEFERRED_COLUMN: { retryable: false },
  ILLEGAL_STATUS_MOVE: { retryable: false },
  DETACHED_RECORD: { retryable: false },
  EVENT_IN_HAND: { retryable: true },
  // The store
  SCHEMA_MISSING: { retryable: false },
  SCHEMA_OUTDATED: { retryable: false },
  SCHEMA_TOO_NEW: { retryable: false },
  TAKEOVER_REFUSED: { retryable: false },
  PARTITION_REFUSED: { retryable: false },
  STORE_UNAVAILABLE: { retryable: true },
  STORE_BUSY: { retryable: true },
  STORE_READ_ONLY: { retryable: true },
  STORE_FAILED: { retryable: false },
  ARCHIVE_FAILED: { retryable: true },
  PERMISSION_DENIED: { retryable: false },
  DATABASE_MISSING: { retryable: false },
  // Sending
  SEND_FAILED: { retryable: true },
  SEND_PERMANENT: { retryable: false },
  SEND_OUTAGE: { retryable: true },
  SEND_TIMEOUT: { retryable: true },
  SEND_NOT_ATTEMPTED: { retryable: true },
  WORKER_DIED: { retryable: true },
  // Receiving
  HANDLER_TIMEOUT: { retryable: true },
  OUTCOME_REFUSED: { retryable: false },
  // The process around us
  MISSING_DEPENDENCY: { retryable: false },
  CONFIG_NOT_FOUND: { retryable: false },
  CONFIG_INVALID: { retryable: false },
  CLOSED: { retryable: false },
  CLOSE_TIMEOUT: { retryable: false },
} as const

/** What went wrong, for programs; docs/errors.md says what each means and what to do. */
export type ErrorCode = keyof typeof ERROR_CODES

/** What an error may carry beside its message. */
export interface ErrorDetails {
  /** What led to it. */
  readonly cause?: unknown
  /** The option, attribute or column at fault, as the caller wrote it. */
  readonly field?: string
  /** The offending value, as given; left out where it might be a secret. */
  readonly value?: unknown
}

/** The one error class. `code` is stable; the message is for people and may change. */
export class BroadcasterError extends Error {
  /** The name of the class. */
  override readonly name: string = 'BroadcasterError'
  /** What went wrong, for programs; see docs/errors.md. */
  readonly code: ErrorCode
  /** The option, attribute or column at fault, as the caller wrote it; undefined = none. */
  readonly field: string | undefined
  /** The offending value; undefined where it might be a secret. */
  readonly value: unknown

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.field = details.field
    this.value = details.value
  }

  /** Whether the same call may succeed later without a change by the caller. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable
  }
}

/** Raised by `get` when no outbox event matches. */
export class DoesNotExistError extends BroadcasterError {
  override readonly name = 'DoesNotExistError'
  constructor(message: string, details: ErrorDetails = {}) {
    super('DOES_NOT_EXIST', message, details)
  }
}

/** Raised by `get` when more than one outbox event matches. */
export class MultipleObjectsReturnedError extends BroadcasterError {
  override readonly name = 'MultipleObjectsReturnedError'
  constructor(message: string, details: ErrorDetails = {}) {
    super('MULTIPLE_OBJECTS_RETURNED', message, details)
  }
}

// As Django names them.
export { DoesNotExistError as DoesNotExist, MultipleObjectsReturnedError as MultipleObjectsReturned }
