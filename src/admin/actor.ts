import { BroadcasterError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'

/** Who acts, and why: for the audit. */
export interface ActedBy {
  /** Who does it: 1 to 255 characters. Default: 'unknown'. */
  readonly by?: string | undefined
  /** Why: at most 1,000 characters. Default: empty. */
  readonly reason?: string | undefined
}

const LONGEST_NAME = 255
const LONGEST_REASON = 1_000

/** Who acts. Throws `INVALID_OPTION` for an invalid name. */
export function actorOf({ by = 'unknown' }: ActedBy): string {
  if (typeof by === 'string' && by.trim() !== '' && fits(by, LONGEST_NAME)) return by
  const message = `by is ${showValue(by)}; give the name of the person who does this, of at most ${LONGEST_NAME} characters`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'by', value: by })
}

/** Why. Throws `INVALID_OPTION` for what is not a string, or too long. */
export function reasonOf({ reason = '' }: ActedBy): string {
  if (typeof reason === 'string' && fits(reason, LONGEST_REASON)) return reason
  const message = `reason is ${showValue(reason)}; give a text of at most ${LONGEST_REASON} characters`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'reason', value: reason })
}

function fits(text: string, longest: number): boolean {
  return text.length <= longest && !text.includes('\0')
}
