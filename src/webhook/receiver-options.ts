import { HANDLING, type HandlingOptions, resolveHandling } from '../consumer/consumer-options.ts'
import type { Catalogue, NoCatalogue } from '../event/catalogue.ts'
import { bytes, duration, flag, integer, option, or, required } from '../foundation/option-kinds.ts'
import { type Option, type OptionsOf, type Refuse, readOptions } from '../foundation/option-table.ts'
import { TOLERANCE } from './signature.ts'
import { readVerifyingKey, type VerifyingKey } from './signing-key.ts'

const LONG = { min: 0, max: Number.MAX_SAFE_INTEGER }
const MiB = 1024 * 1024

/** How a webhook receiver works. */
export const WEBHOOK_RECEIVER = {
  /**
   * Who may send: a signature (Standard Webhooks) by one of these keys is needed, `whsec_...` or `whpk_...`. False:
   * anyone who can reach it, so something in front of it must check them.
   */
  keys: required(keysOption()),
  /** How far the sender's clock may be from ours, in milliseconds. Default 300,000 (5 minutes). */
  tolerance: duration(TOLERANCE, LONG),
  /**
   * Take events in binary mode, too. Their attributes are headers, which no signature covers: an attacker with a signed
   * request can change its type, id and subject. Default: only when `keys` is false.
   */
  binary: flag(undefined),
  /** Senders that get permission on request (CloudEvents webhook handshake), by DNS name; '*' = any. Default: none. */
  allowedOrigins: option<'*' | readonly string[]>("DNS names, or '*' for any", [], areOrigins),
  /** The most requests a minute that a sender gets permission for; it is not enforced here. Default: no limit. */
  allowedRate: integer(undefined, { min: 1, max: 999_999_999 }),
  /** The largest body, in bytes. Default 2,097,152 (2 MiB). */
  maxBytes: bytes(2 * MiB, { min: 1, max: 2 ** 29 }),
  /**
   * What the bodies of all requests together may hold until they are answered, in bytes; more is answered 503. Default:
   * 64 MiB, at least twice `maxBytes`.
   */
  maxTotalBytes: bytes(undefined, { min: 1 }),
  /** How long a body may take to arrive, in milliseconds; below 1 kB a second only 3 s. Default 10,000. */
  bodyTimeout: duration(10_000),
  /**
   * The handler's signal aborts after this time, in milliseconds. A handler that does not react is abandoned a second
   * later: its transaction is rolled back, and the request answered with 500. Default 30,000.
   */
  handlerTimeout: duration(30_000),
  /** The `Retry-After` of what failed, in milliseconds; rounded up to seconds on the wire. Default 1,000. */
  retryAfter: duration(1_000, { min: 0 }),
  /**
   * Inbox entries older than this are deleted, some with every 100th event handled, in milliseconds; null = never here.
   * Default 2,592,000,000 (30 days).
   */
  pruneInboxAfter: or(duration(30 * 24 * 60 * 60 * 1_000, { min: 1_000, max: Number.MAX_SAFE_INTEGER }), null),
}

/** What a webhook receiver is made of. */
export interface WebhookReceiverOptions<Tx = unknown, Events extends Catalogue | NoCatalogue = NoCatalogue>
  extends HandlingOptions<Tx, Events>,
    OptionsOf<typeof WEBHOOK_RECEIVER> {}

/** Every option with its value. */
export type WebhookReceiverSettings = ReturnType<typeof resolveSettings>

/** Where its events come from, for traces and metrics. */
export const WEBHOOK_MESSAGING = { system: 'webhook' } as const

/** Checks all options. Throws `INVALID_OPTION`; it shows no key. */
export function resolveReceiverOptions<Tx, Events extends Catalogue | NoCatalogue>(
  options: WebhookReceiverOptions<Tx, Events>,
) {
  const settings = resolveSettings(options)
  return { handling: { ...resolveHandling(options), messaging: () => WEBHOOK_MESSAGING }, settings }
}

function resolveSettings(options: object) {
  return readOptions('webhookReceiver()', { ...HANDLING, ...WEBHOOK_RECEIVER }, options, (read, { refuse }) => {
    const { keys, maxBytes } = read
    const { binary = keys === null, maxTotalBytes = Math.max(64 * MiB, 2 * maxBytes) } = read
    if (maxTotalBytes < maxBytes) {
      refuse('maxTotalBytes', `is ${maxTotalBytes}; give maxBytes, ${maxBytes}, or more`, maxTotalBytes)
    }
    return { ...read, binary, maxTotalBytes, allowedRate: read.allowedRate ?? null }
  })
}

function areOrigins(given: unknown): boolean {
  return (
    given === '*' || (Array.isArray(given) && given.every((origin) => typeof origin === 'string' && origin !== '*'))
  )
}

/** Null: nothing is verified. */
function keysOption(): Option<string | readonly string[] | false, readonly VerifyingKey[] | null | undefined> {
  const read = (value: unknown, refuse: Refuse): readonly VerifyingKey[] | null => {
    if (value === false) return null
    const given: readonly unknown[] = [value].flat()
    if (given.length === 0) refuse('is an empty list; without a key nothing can be verified')
    return given.flatMap((text, at) => {
      const key = readVerifyingKey(text)
      if (!('problem' in key)) return [key]
      refuse(key.problem, { at: `[${at}]` })
      return []
    })
  }
  const wanted = 'whsec_... or whpk_..., or false to accept what anyone sends'
  return { wanted, fallback: undefined, read }
}
