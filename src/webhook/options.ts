import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { rateOption } from '../backend/rate.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { credential, withCredentials } from '../foundation/credential.ts'
import { errorMessage } from '../foundation/error-message.ts'
import {
  byDefault,
  bytes,
  callback,
  duration,
  flag,
  integer,
  nested,
  oneOf,
  optional,
  or,
  parsed,
  passedOn,
  required,
} from '../foundation/option-kinds.ts'
import { type Option, type OptionsOf, type Refuse, readOptions } from '../foundation/option-table.ts'
import { WEBHOOK_HANDSHAKE } from './handshake-options.ts'
import { readSigningKey, type SigningKey } from './signing-key.ts'

/** Names and values of headers. */
export type WebhookHeaders = Readonly<Record<string, string>>
/** One key, or several during a rotation: the newest first. */
export type WebhookKeys = string | readonly string[]

type HeadersOption = WebhookHeaders | (() => WebhookHeaders | Promise<WebhookHeaders>)
type KeysFunction = (event: OutgoingEvent) => WebhookKeys

export const WEBHOOK_RATE_LIMIT = {
  /** 1 to 1000000, spread evenly over `per`; needed. */
  requests: required(integer(undefined, { min: 1, max: 1_000_000 })),
  /** In milliseconds; needed. */
  per: required(duration(undefined, { min: 1, max: 86_400_000 })),
  /** How many may go at once after a pause; any `per` then has at most `requests + burst - 1`. Default 1. */
  burst: integer(1, { min: 1, max: 1_000_000 }),
}
/** How many requests may go to one origin, in how much time. */
export type WebhookRateLimit = OptionsOf<typeof WEBHOOK_RATE_LIMIT>

export const WEBHOOK_BATCH = {
  /** How many events. Default 100. */
  events: integer(100, { min: 1, max: 100_000 }),
  /** The size of the body, in bytes; a larger event goes by itself. Default 1048576 (1 MiB). */
  bytes: bytes(1_048_576, { min: 1, max: 2 ** 29 }),
}
/** How much one request may carry. */
export type WebhookBatchLimit = OptionsOf<typeof WEBHOOK_BATCH>

export const WEBHOOK = {
  /**
   * Where events are posted (http or https), or a function that returns it for each event. A fixed address may be in a
   * private network, since you wrote it. One that a function returns may not, unless `allowPrivateNetworks`.
   */
  url: required(
    parsed<string | ((event: OutgoingEvent) => string), URL | ((event: OutgoingEvent) => string) | undefined>(
      'an http:// or https:// address, or a function',
      undefined,
      (value) => (typeof value === 'function' ? (value as (event: OutgoingEvent) => string) : httpUrl(value)),
    ),
  ),
  /**
   * Names the destination of an event, at most 200 characters: what fails or is slow as one. Each has its own
   * `concurrency`, and an outage of one holds up no other. Default: the address's origin when `url` is a function, a
   * single one when it is fixed.
   */
  destination: callback<(event: OutgoingEvent) => string>('a function that names the destination of an event'),
  /**
   * `structured`: the whole event as JSON. `binary`: attributes as `ce-` headers, data as the body. `batch`: many
   * events as one JSON array. Default 'structured'.
   */
  mode: oneOf('structured', 'structured', 'binary', 'batch'),
  /** Headers of every request, such as `authorization`; or a function for headers that change. Default: none. */
  headers: headersOption(),
  /**
   * Signs each request as Standard Webhooks says, with `whsec_...` (needs the package `standardwebhooks`) or
   * `whsk_...`; with every key of a list, the newest first. A function returns the keys of an event's destination. `[]`
   * or false = not signed. Undefined, as from a variable that is not set, is refused. Default: not signed.
   */
  keys: credential(keysOption()),
  /** Asks for permission first (CloudEvents webhook handshake), and keeps to the permitted rate. Default false. */
  handshake: byDefault(false, or(nested(WEBHOOK_HANDSHAKE), false)),
  /** How many requests go from this process to one origin, in how much time. Default: no limit. */
  rateLimit: optional(nested(WEBHOOK_RATE_LIMIT)),
  /** How much one request may carry in mode 'batch'. Default: 100 events, 1 MiB. */
  maxBatch: nested(WEBHOOK_BATCH),
  /** How long one request may take, redirects included, in milliseconds. Default 5000. */
  timeout: duration(5_000),
  /** How many requests to one destination are in flight at once; events of one key never are. Default 10. */
  concurrency: integer(10, { min: 1, max: 10_000 }),
  /** Follow at most 5 redirects (301, 302, 307, 308), posting again. Default false. */
  followRedirects: flag(false),
  /** Permit addresses in private networks to redirects and to a `url` function. Default false. */
  allowPrivateNetworks: flag(false),
  /** TLS of https: `ca`, `cert`, `key`, `minVersion`, ... as in `node:tls`. Default: Node's own authorities. */
  tls: withCredentials(passedOn<SecureContextOptions, SecureContextOptions>('an object of options of node:tls', {})),
  /** How names are resolved, as in `node:net`. Default: `lookup` of `node:dns`. */
  lookup: callback<LookupFunction>('a function like the lookup of node:dns'),
  /** The largest event, in bytes of its JSON. Default 1048576 (1 MiB). */
  maxEventBytes: bytes(1_048_576, { min: 1_024, max: 2 ** 29 - 1_024 }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
  /**
   * The same for each destination by itself; needs a `url` function or `destination`. It counts events, not requests. Default: no
   * limit.
   */
  destinationRate: rateOption(),
}
export type WebhookOptions = OptionsOf<typeof WEBHOOK>
export type ResolvedWebhookOptions = ReturnType<typeof resolveWebhookOptions>

/** Headers that the event, its signature and the connection need for themselves. */
const OURS: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'webhook-request-origin',
])

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem; it shows no secret. */
export function resolveWebhookOptions(options: WebhookOptions) {
  return readOptions('webhook()', WEBHOOK, options, (read, { given, refuse }) => {
    if (given.destinationRate !== undefined && given.destination === undefined && typeof given.url !== 'function') {
      refuse('destinationRate', 'has no effect with a fixed url; give rate, or a destination')
    }
    if (given.maxBatch !== undefined && read.mode !== 'batch') refuse('maxBatch', "needs mode: 'batch'")
    return { ...read, handshake: read.handshake || undefined }
  })
}

/** An http or https address; undefined for anything else. */
export function httpUrl(text: unknown): URL | undefined {
  const url = typeof text === 'string' ? URL.parse(text) : null
  return url && /^https?:$/.test(url.protocol) && url.hostname !== '' ? url : undefined
}

/** What is wrong with headers given by the user. */
export function headerProblems(headers: WebhookHeaders): readonly string[] {
  if (typeof headers !== 'object' || headers === null) return ['must be an object of names and values']
  const problems: string[] = []
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (OURS.has(lower) || lower.startsWith('ce-')) {
      problems.push(`cannot set ${name}: it is written for each event`)
      continue
    }
    if (value === undefined) {
      problems.push(`has ${name}, which is undefined (is the environment variable set?)`)
      continue
    }
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch (error) {
      problems.push(`has ${name}, which HTTP cannot carry: ${errorMessage(error)}`)
    }
  }
  return problems
}

function headersOption(): Option<HeadersOption> {
  const read = (value: unknown, refuse: Refuse): HeadersOption => {
    const problems = typeof value === 'function' ? [] : headerProblems(value as WebhookHeaders)
    for (const problem of problems) refuse(problem)
    return value as HeadersOption
  }
  return { wanted: 'an object of names and values, or a function', fallback: {}, read }
}

function keysOption(): Option<WebhookKeys | KeysFunction | false, readonly SigningKey[] | KeysFunction> {
  const read = (value: unknown, refuse: Refuse): readonly SigningKey[] | KeysFunction => {
    if (value === false) return []
    if (typeof value === 'function') return value as KeysFunction
    const texts: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (texts.length === 0) refuse('is an empty list; give false to send without a signature')
    return texts.flatMap((text, at) => {
      const key = readSigningKey(text)
      if (!('problem' in key)) return [key]
      refuse(key.problem, Array.isArray(value) ? { at: `[${at}]` } : {})
      return []
    })
  }
  return { wanted: 'whsec_... or whsk_..., a list of them, a function, or false', fallback: [], read }
}
