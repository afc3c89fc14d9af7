import { BroadcasterError } from '../errors.ts'
import type { HeadersInput } from '../event/binary.ts'
import { requireObject, throwProblems } from '../foundation/problem.ts'
import { TOLERANCE, type VerifiedWebhook, verifyRequest } from './signature.ts'
import { readVerifyingKey, type VerifyingKey } from './signing-key.ts'

/** What `verifyWebhook` checks. */
export interface VerifyOptions {
  /** `whsec_...` or `whpk_...`, or several during a rotation: a signature by one of them is enough. */
  readonly keys: string | readonly string[] | undefined
  /** The headers as they came; names in any case. */
  readonly headers: HeadersInput
  /** The body byte for byte as it arrived, not parsed and serialised again. */
  readonly body: string | Uint8Array
  /** How far the sender's clock may be from ours, in milliseconds. Default 300000 (5 min). */
  readonly tolerance?: number | undefined
  /** The time here, in milliseconds since 1970. Default: now. */
  readonly now?: number | undefined
}

/** The sender does not have the key, or the request is too old or was changed: answer 401 without saying why. */
export class WebhookSignatureError extends BroadcasterError {
  override readonly name = 'WebhookSignatureError'
  constructor(reason: string) {
    super('DECODE_FAILED', `the request is not verified: ${reason}`)
  }
}

/**
 * Verifies a request signed as Standard Webhooks says, by us or by another sender. Throws `WebhookSignatureError` when
 * it cannot be trusted, `INVALID_OPTION` when a key cannot be read. Drop the ids that you have seen: a copy verifies
 * too.
 */
export function verifyWebhook(options: VerifyOptions): VerifiedWebhook {
  requireObject('verifyWebhook()', options, ['keys', 'headers', 'body'])
  const { keys, headers, body, tolerance = TOLERANCE, now = Date.now() } = options
  const verified = verifyRequest(verifyingKeys(keys, 'verifyWebhook()'), headers, body, now, tolerance)
  if ('reason' in verified) throw new WebhookSignatureError(verified.reason)
  return verified
}

/** Reads the keys of a receiver. Throws one `INVALID_OPTION` for all that are wrong; it shows none of them. */
export function verifyingKeys(keys: string | readonly string[] | undefined, owner: string): readonly VerifyingKey[] {
  const read = [keys].flat().map(readVerifyingKey)
  const wrong = read.flatMap((key, at) => ('problem' in key ? [{ at, message: key.problem }] : []))
  if (read.length === 0) wrong.push({ at: 0, message: 'is missing; without a key nothing can be verified' })
  throwProblems(
    owner,
    wrong.map(({ at, message }) => ({ code: 'INVALID_OPTION', field: `keys[${at}]`, value: undefined, message })),
  )
  return read.flatMap((key) => ('problem' in key ? [] : [key]))
}
