import { TOLERANCE } from '../../backend/webhook/signature.ts'
import type { VerifyingKey } from '../../backend/webhook/signing-key.ts'
import { BroadcasterError } from '../../errors.ts'
import type { Catalogue, NoCatalogue } from '../../event/catalogue.ts'
import { resolveOptions } from '../../options.ts'
import { requireObject, showValue } from '../../problem.ts'
import { type HandlingOptions, resolveHandling } from '../consumer-options.ts'
import type { HandlingParts } from '../handling.ts'
import { verifyingKeys } from './verify-webhook.ts'

/** What a webhook receiver is made of. Durations are in milliseconds. */
export interface WebhookReceiverOptions<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue>
  extends HandlingOptions<Tx, Events> {
  /**
   * Who may send: a signature (Standard Webhooks) by one of these keys is needed, `whsec_...` or `whpk_...`. False:
   * whoever reaches it, so something in front of it must tell them apart.
   */
  readonly keys: string | readonly string[] | false
  /** How far the sender's clock may be from ours. Default 300,000 (5 minutes). */
  readonly tolerance?: number
  /**
   * Take events in binary mode, too. Their attributes are headers, which no signature covers: whoever gets hold of a
   * signed request can change its type, id and subject. Default: only when `keys` is false.
   */
  readonly binary?: boolean
  /** Senders that get permission when they ask (CloudEvents webhook handshake), by DNS name; '*' = any. Default: none. */
  readonly allowedOrigins?: '*' | readonly string[]
  /** The most requests a minute that a sender gets permission for; it is not enforced here. Default: no limit. */
  readonly allowedRate?: number
  /** The largest body, in bytes. Default 2,097,152 (2 MiB). */
  readonly maxBytes?: number
  /**
   * What the bodies of all requests together may hold until they are answered, in bytes; more is answered 503. Default 64 MiB, at least
   * twice `maxBytes`.
   */
  readonly maxTotalBytes?: number
  /** How long a body may take to arrive, in milliseconds; one that comes at less than 1 kB a second has 3 s. Default 10,000. */
  readonly bodyTimeout?: number
  /** After this time the handler's signal aborts. Default 30,000. */
  readonly handlerTimeout?: number
  /** When to send again what failed, as `Retry-After` says; in whole seconds on the wire. Default 1,000. */
  readonly retryAfter?: number
  /** Inbox entries older than this are deleted, some with every 100th event handled; null = never here. Default 30 days. */
  readonly pruneInboxAfter?: number | null
}

/** Every option with its value. */
export interface WebhookReceiverSettings {
  /** Null: not verified. */
  readonly keys: readonly VerifyingKey[] | null
  readonly tolerance: number
  readonly binary: boolean
  readonly allowedOrigins: '*' | readonly string[]
  readonly allowedRate: number | null
  readonly maxBytes: number
  readonly maxTotalBytes: number
  readonly bodyTimeout: number
  readonly handlerTimeout: number
  readonly retryAfter: number
  readonly pruneInboxAfter: number | null
}

const LONGEST_TIMER = 2 ** 31 - 1
const OWNER = 'webhookReceiver()'

/** Checks all options. Throws `INVALID_OPTION`; it shows no key. */
export function resolveReceiverOptions<Tx, Events extends Catalogue | NoCatalogue>(
  options: WebhookReceiverOptions<Tx, Events>,
): { readonly handling: HandlingParts<Tx>; readonly settings: WebhookReceiverSettings } {
  requireObject(OWNER, options)
  const { name, handlers, store, inbox, transaction, events, logger, keys: given, ...own } = options
  if (given === undefined) {
    throw new BroadcasterError(
      'INVALID_OPTION',
      `${OWNER} is refused: keys is missing; give whsec_... or whpk_..., or false to take what anybody sends`,
      { field: 'keys' },
    )
  }
  const keys = given === false ? null : verifyingKeys(given, OWNER)
  const defaults: Omit<WebhookReceiverSettings, 'keys'> = {
    tolerance: TOLERANCE,
    binary: keys === null,
    allowedOrigins: [],
    allowedRate: null,
    maxBytes: 2 * 1024 * 1024,
    maxTotalBytes: Math.max(64 * 1024 * 1024, typeof own.maxBytes === 'number' ? 2 * own.maxBytes : 0),
    bodyTimeout: 10_000,
    handlerTimeout: 30_000,
    retryAfter: 1_000,
    pruneInboxAfter: 30 * 24 * 60 * 60 * 1_000,
  }
  // The error has the value of what is wrong: not that of a misspelt `keys`.
  const shown = Object.entries(own).map(([key, value]) => [key, Object.hasOwn(defaults, key) ? value : undefined])
  const settings = resolveOptions('webhookReceiver', Object.fromEntries(shown), defaults, {
    tolerance: { min: 0, max: Number.MAX_SAFE_INTEGER },
    allowedRate: { min: 1, max: 999_999_999, integer: true },
    maxBytes: { min: 1, max: 2 ** 29, integer: true },
    maxTotalBytes: { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true },
    bodyTimeout: { min: 1, max: LONGEST_TIMER },
    handlerTimeout: { min: 1, max: LONGEST_TIMER },
    retryAfter: { min: 0, max: LONGEST_TIMER },
    ...(own.pruneInboxAfter !== null && { pruneInboxAfter: { min: 1_000, max: Number.MAX_SAFE_INTEGER } }),
  })
  const { binary, allowedOrigins, maxBytes, maxTotalBytes } = settings
  if (typeof binary !== 'boolean') throw invalid('binary', binary, 'give true or false')
  if (maxTotalBytes < maxBytes) throw invalid('maxTotalBytes', maxTotalBytes, `give at least maxBytes, ${maxBytes}`)
  if (!areOrigins(allowedOrigins)) throw invalid('allowedOrigins', allowedOrigins, "give DNS names, or '*' for any")
  return { handling: resolveHandling(options), settings: Object.freeze({ ...settings, keys }) }
}

function areOrigins(given: unknown): boolean {
  return (
    given === '*' || (Array.isArray(given) && given.every((origin) => typeof origin === 'string' && origin !== '*'))
  )
}

function invalid(field: string, value: unknown, wanted: string): BroadcasterError {
  return new BroadcasterError('INVALID_OPTION', `${OWNER} is refused: ${field} is ${showValue(value)}; ${wanted}`, {
    field,
    value,
  })
}
