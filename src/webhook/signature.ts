import { createHash, createHmac, sign as signWith, timingSafeEqual, verify as verifyWith } from 'node:crypto'
import { BroadcasterError } from '../errors.ts'
import type { HeadersInput } from '../event/binary.ts'
import type { SigningKey, VerifyingKey } from './signing-key.ts'

/** The headers of Standard Webhooks. */
export interface SignatureHeaders extends Readonly<Record<string, string>> {
  readonly 'webhook-id': string
  /** Of this attempt, in whole seconds since 1970. */
  readonly 'webhook-timestamp': string
  /** One for each key, the newest first, with a space between them. */
  readonly 'webhook-signature': string
}

/** What a verified request says about itself. */
export interface VerifiedWebhook {
  /** The same for each attempt to deliver the same message. */
  readonly id: string
  /** When this attempt was made, in milliseconds since 1970. */
  readonly timestamp: number
}

/** Why a request is not verified; for the log, not for the sender. */
export interface Unverified {
  readonly reason: string
}

export type Body = string | Uint8Array | null

/** How far the two clocks may be apart, in milliseconds: what Standard Webhooks recommends against replays. */
export const TOLERANCE = 300_000
/** More signatures than any rotation needs; each costs a receiver time. */
const MOST_SIGNATURES = 16

/**
 * Signs one attempt with every key. `now` in milliseconds since 1970. Rejects with `MISSING_DEPENDENCY` when a text is
 * to be signed with a shared secret and the package `standardwebhooks` is not installed.
 */
export async function signRequest(
  keys: readonly SigningKey[],
  id: string,
  body: Body,
  now: number,
): Promise<SignatureHeaders> {
  const seconds = Math.floor(now / 1000)
  const signatures = await Promise.all(keys.map((key) => signatureOf(key, id, seconds, body)))
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signatures.join(' ') }
}

/** What is wrong with a request, as far as can be known without its body; undefined = nothing. Pure. */
export function unverifiable(
  headers: HeadersInput,
  now: number,
  tolerance: number = TOLERANCE,
): Unverified | undefined {
  const given = signatureHeaders(headers)
  const { 'webhook-timestamp': seconds } = given
  for (const name of NAMES) if (!given[name]) return { reason: `the header ${name} is missing` }
  if (!/^\d{1,12}$/.test(seconds)) return { reason: 'webhook-timestamp is not a number of seconds' }
  // The header has whole seconds.
  const age = Math.floor(now / 1000) - Number(seconds)
  if (Math.abs(age) * 1000 > tolerance) return { reason: `webhook-timestamp is ${age} s behind the clock here` }
  return undefined
}

/** Verifies a request by its raw body: one signature by one of the keys is enough. Pure. */
export function verifyRequest(
  keys: readonly VerifyingKey[],
  headers: HeadersInput,
  body: Body,
  now: number,
  tolerance: number = TOLERANCE,
): VerifiedWebhook | Unverified {
  const problem = unverifiable(headers, now, tolerance)
  if (problem) return problem
  const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signatures } = signatureHeaders(headers)
  const content = signedContent(id, seconds, body)
  for (const signature of signatures.split(' ').slice(0, MOST_SIGNATURES)) {
    if (keys.some((key) => matches(key, signature, content))) return { id, timestamp: Number(seconds) * 1000 }
  }
  return { reason: 'no signature is by one of the known keys' }
}

/** Loads what signing with these keys needs (`anyway`: with any keys), so that a missing package is found early. */
export async function prepareSigning(keys: readonly SigningKey[], anyway: boolean): Promise<void> {
  if (anyway || keys.some(({ scheme }) => scheme === 'v1')) await importStandardWebhooks()
}

/** The id if it can be a header and has no full stop, which separates the signed content; else its hash. */
export function messageId(prefix: string, id: string): string {
  return /^[\w-]{1,128}$/.test(id) ? id : hashedId(prefix, id)
}

/** An id made of content: the same content has the same id. */
export function hashedId(prefix: string, content: string | Uint8Array): string {
  return prefix + createHash('sha256').update(content).digest('base64url')
}

async function signatureOf(key: SigningKey, id: string, seconds: number, body: Body): Promise<string> {
  if (key.scheme === 'v1a') {
    return `v1a,${signWith(null, signedContent(id, String(seconds), body), key.privateKey).toString('base64')}`
  }
  if (typeof body === 'string') {
    const { Webhook } = await importStandardWebhooks()
    return new Webhook(key.secret, { format: 'raw' }).sign(id, new Date(seconds * 1000), body)
  }
  // The package reads bytes as UTF-8: everything invalid becomes the same character, and has the same signature.
  return `v1,${hmac(key.secret, signedContent(id, String(seconds), body)).toString('base64')}`
}

function matches(key: VerifyingKey, signature: string, content: Uint8Array): boolean {
  const comma = signature.indexOf(',')
  if (signature.slice(0, comma) !== key.scheme) return false
  const given = Buffer.from(signature.slice(comma + 1), 'base64')
  if (key.scheme === 'v1a') return verifyWith(null, content, key.publicKey, given)
  const expected = hmac(key.secret, content)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function hmac(secret: Uint8Array, content: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(content).digest()
}

function signedContent(id: string, seconds: string, body: Body): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? Buffer.alloc(0))
  return Buffer.concat([Buffer.from(`${id}.${seconds}.`), bytes])
}

const NAMES = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const

function signatureHeaders(headers: HeadersInput): Record<(typeof NAMES)[number], string> {
  const found = { 'webhook-id': '', 'webhook-timestamp': '', 'webhook-signature': '' }
  const pairs = Symbol.iterator in headers ? [...headers] : Object.entries(headers)
  for (const [given, value] of pairs) {
    const name = NAMES.find((one) => one === given.toLowerCase())
    if (name) found[name] = typeof value === 'string' ? value : (value?.[0] ?? '')
  }
  return found
}

let imported: Promise<typeof import('standardwebhooks')> | undefined

function importStandardWebhooks(): Promise<typeof import('standardwebhooks')> {
  return (imported ??= import('standardwebhooks').catch((cause: unknown) => {
    imported = undefined
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      'signing webhooks with a shared secret (whsec_) needs the package standardwebhooks, which is not installed: `npm install standardwebhooks`',
      { cause },
    )
  }))
}
