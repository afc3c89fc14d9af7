import { errorCause } from '../../record/error-cause.ts'
import type { Outcome } from '../relay-store.ts'

type Kind = Outcome['kind']
type Of<K extends Kind> = Extract<Outcome, { kind: K }>

/** NUL is the one character that PostgreSQL's text cannot hold. */
const withoutNul = (text: string): string => text.replaceAll('\0', '')

/** Of an error in the history of attempts, in UTF-16 code units. */
const BRIEF = 2_000

/** Cut here: in a database in SQL_ASCII the server counts bytes, and half a character makes the row unreadable for every client. */
function errorTexts(given: string): object {
  const error = withoutNul(given).toWellFormed()
  const { errorCode: code, errorFingerprint: fingerprint } = errorCause(error)
  const brief = error.length > BRIEF ? error.slice(0, BRIEF).toWellFormed() : undefined
  return { error, brief, code, fingerprint }
}

/** One outcome as a guarded statement of a settle reads it: a row of `json_to_recordset`. */
export const SETTLE_PARAMETERS: { readonly [K in Exclude<Kind, 'published'>]: (outcome: Of<K>) => object } = {
  retry: ({ id, lane, generation, retryCount, delay, error, progress }) => ({
    id,
    lane,
    generation,
    retries: retryCount,
    delay,
    ...errorTexts(error),
    progress,
  }),
  failed: ({ id, lane, generation, retryCount, blocks, error, progress }) => ({
    id,
    lane,
    generation,
    retries: retryCount,
    blocks,
    ...errorTexts(error),
    progress,
  }),
  park: ({ id, lane, generation, delay, behind }) => ({ id, lane, generation, delay, behind }),
  sending: ({ id, lane, generation, retryCount }) => ({ id, lane, generation, retries: retryCount }),
  returned: ({ id, lane, generation, retryCount }) => ({ id, lane, generation, retries: retryCount }),
}
