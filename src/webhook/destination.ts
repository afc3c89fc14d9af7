import { PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { describeError } from '../foundation/describe-error.ts'
import { showWithoutSecrets } from '../foundation/problem.ts'
import type { RequestTarget } from './http-connections.ts'
import { httpUrl, type ResolvedWebhookOptions } from './options.ts'
import { hashedId } from './signature.ts'
import { readSigningKey, type SigningKey } from './signing-key.ts'

/** Where an event goes, and how it is signed. */
export interface Destination {
  /** Equal for events that may share a batch; it may contain keys. */
  readonly name: string
  /** What fails or is slow as one: see `placeOf`. */
  readonly place: string
  readonly target: RequestTarget
  readonly keys: readonly SigningKey[]
}

/**
 * The destination of an event. Throws `PermanentError` when the `url` function gives no address, `INVALID_OPTION` when
 * the `keys` function gives no keys.
 */
export function destinationOf(event: OutgoingEvent, options: ResolvedWebhookOptions): Destination {
  const { url: given, keys } = options
  const url = addressOf(event, options)
  const target = { url, trusted: given === url }
  const place = placeOf(event, url, options)
  if (typeof keys !== 'function') return { name: url.href, place, target, keys: keys }
  const texts = [asked('keys', event, keys)].flat()
  return { name: `${url.href} ${texts.join(' ')}`, place, target, keys: texts.map(signingKey) }
}

/** The longest name of a place, in characters. */
const LONGEST_PLACE = 200

/** The place of an event at this address: what `destination` says, or the origin. */
function placeOf(event: OutgoingEvent, url: URL, { destination }: ResolvedWebhookOptions): string {
  const name = (destination && asked('destination', event, destination)) ?? url.origin
  if (typeof name !== 'string') {
    const shown = `${showWithoutSecrets(name)}; give a text`
    throw new BroadcasterError('SEND_FAILED', `the destination function of webhook() returned ${shown}`)
  }
  return name.length <= LONGEST_PLACE ? name : hashedId('place_', name)
}

/**
 * An event's destination, for `Backend.destination`; undefined when all events go to one, and when it is not known: the
 * send then says why.
 */
export function knownPlaceOf(event: OutgoingEvent, options: ResolvedWebhookOptions): string | undefined {
  if (typeof options.url !== 'function' && options.destination === undefined) return undefined
  try {
    const url = addressOf(event, options)
    return placeOf(event, url, options)
  } catch {
    return undefined
  }
}

function addressOf(event: OutgoingEvent, { url: given }: ResolvedWebhookOptions): URL {
  const text = typeof given === 'function' ? asked('url', event, given) : given
  const url = text instanceof URL ? text : httpUrl(text)
  if (!url) throw new PermanentError(`the url function returned ${showWithoutSecrets(text)}, not an http(s) address`)
  return url
}

/** Calls a user's function. What it throws concerns this event, unless it is an error class of ours. */
function asked<T>(name: string, event: OutgoingEvent, answer: (event: OutgoingEvent) => T): T {
  try {
    return answer(event)
  } catch (error) {
    if (error instanceof BroadcasterError) throw error
    // Without its cause: a network code in it would mean an outage.
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
