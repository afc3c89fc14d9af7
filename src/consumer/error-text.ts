import { describeError } from '../foundation/describe-error.ts'

/** An error as the header of a dead letter: on one line, as text that every broker takes. */
export function errorText(error: unknown): string {
  return describeError(error)
    .replace(/\p{Cc}+/gu, ' ')
    .toWellFormed()
}
