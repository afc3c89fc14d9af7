import { describeError } from '../../describe-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { showWithoutSecrets } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { PermanentError } from '../send-error.ts'
import type { Target } from './connections.ts'
import { httpUrl, type ResolvedWebhookOptions } from './options.ts'
import { readSigningKey, type SigningKey } from './signing-key.ts'

/** Where an event goes, and how it is signed for it. */
export interface Destination {
  /** Equal for events that may share a batch; it may hold keys. */
  readonly name: string
  readonly target: Target
  readonly keys: readonly SigningKey[]
}

/**
 * The destination of an event. Throws `PermanentError` when the `url` function gives no address, `INVALID_OPTION` when
 * the `keys` function gives no keys.
 */
export function destinationOf(event: OutboxEvent, options: ResolvedWebhookOptions): Destination {
  const { url: given, keys } = options
  const text = typeof given === 'function' ? asked('url', event, given) : given
  const url = text instanceof URL ? text : httpUrl(text)
  if (!url) throw new PermanentError(`the url function returned ${showWithoutSecrets(text)}, not an http(s) address`)
  const target = { url, trusted: given === url }
  if (typeof keys !== 'function') return { name: url.href, target, keys: keys }
  const texts = [asked('keys', event, keys)].flat()
  return { name: `${url.href} ${texts.join(' ')}`, target, keys: texts.map(signingKey) }
}

/** Calls a function of the user's. What it throws is about this event, unless it says otherwise by an error class of ours. */
function asked<T>(name: string, event: OutboxEvent, answer: (event: OutboxEvent) => T): T {
  try {
    return answer(event)
  } catch (error) {
    if (error instanceof BroadcasterError) throw error
    // Without its cause: a network code in there would say outage.
    throw new BroadcasterError('SEND_FAILED', `the ${name} function of webhook() threw: ${describeError(error)}`)
  }
}

/** Reads a key that the `keys` function gave; the error does not show it. */
function signingKey(text: unknown, at: number): SigningKey {
  const key = readSigningKey(text)
  if (!('problem' in key)) return key
  const message = `the keys function of webhook() returned a key (${at}) that ${key.problem}`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'keys' })
}

/** The address for people, without credentials and query, which may be secrets. */
export function nameOf(url: URL): string {
  return `${url.origin}${url.pathname}`
}
