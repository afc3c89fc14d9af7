import { BroadcasterError, type ErrorCode } from '../errors.ts'
import { UsageError } from './exit-codes.ts'

/** An error as programs read it. */
export interface ErrorFields {
  readonly code: ErrorCode | 'USAGE' | 'UNEXPECTED'
  readonly message: string
  readonly retryable: boolean
}

/** What `--json` shows of whatever was thrown. */
export function errorFields(error: unknown): ErrorFields {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof BroadcasterError) return { code: error.code, message, retryable: error.retryable }
  return { code: error instanceof UsageError ? 'USAGE' : 'UNEXPECTED', message, retryable: false }
}
