import { createHash } from 'node:crypto'
import { errorPattern } from '../foundation/error-pattern.ts'

/** What is stored beside the text of an error, so that failures are grouped and found without reading texts. */
export interface ErrorCause {
  /** Such as `ECONNREFUSED`; null = the text names none. At most 64 characters. */
  readonly errorCode: string | null
  /** 16 hexadecimal digits, the same for all errors whose texts differ in numbers, ids, times and quoted values alone; null = there is no text. */
  readonly errorFingerprint: string | null
}

/** The cause of an error with this text. The same on every store, and on every worker. Pure. */
export function errorCause(given: string): ErrorCause {
  // PostgreSQL text cannot hold U+0000: what is stored there is without.
  const error = given.replaceAll('\0', '')
  return { errorCode: errorCode(error), errorFingerprint: error === '' ? null : fingerprintOf(errorPattern(error)) }
}

/** The fingerprint of a pattern. Pure. */
export function fingerprintOf(pattern: string): string {
  return createHash('sha256').update(pattern).digest('hex').slice(0, 16)
}

/** Such as `ECONNREFUSED` of `connect failed [ECONNREFUSED]`; null = the text names none. Pure. */
export function errorCode(error: string): string | null {
  return /\[([A-Z][A-Z\d_]{1,63})\]/.exec(error)?.[1] ?? null
}

/** The values of `last_error`, `error_code` and `error_fingerprint`. Pure. */
export function errorValues(error: string): readonly [string, string | null, string | null] {
  const { errorCode, errorFingerprint } = errorCause(error)
  return [error, errorCode, errorFingerprint]
}
