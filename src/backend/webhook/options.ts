import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { showValue, showWithoutSecrets } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'
import type { BatchLimit } from './batch-parts.ts'
import { type ResolvedHandshake, resolveHandshake, type WebhookHandshake } from './handshake-options.ts'
import { readSigningKey, type SigningKey } from './signing-key.ts'
import type { RateLimit } from './token-bucket.ts'

export interface WebhookOptions {
  /**
   * Where events are posted (http or https), or a function that says it for each event. A fixed address may be in a
   * private network: you wrote it. One that a function returns may not, unless `allowPrivateNetworks`.
   */
  readonly url: string | ((event: OutboxEvent) => string)
  /**
   * Names the place that an event goes to, at most 200 characters: what is away or slow by itself. Each has `concurrency`
   * requests of its own, and an outage there keeps nobody else waiting. Default: the address's origin when `url` is a
   * function, one place when it is fixed.
   */
  readonly destination?: (event: OutboxEvent) => string
  /**
   * `structured`: the whole event as JSON. `binary`: attributes as `ce-` headers, data as the body. `batch`: many events
   * as one JSON array. Default 'structured'.
   */
  readonly mode?: 'structured' | 'binary' | 'batch'
  /** Headers of every request, such as `authorization`; or a function for headers that change. Default: none. */
  readonly headers?: WebhookHeaders | (() => WebhookHeaders | Promise<WebhookHeaders>)
  /**
   * Signs each request as Standard Webhooks says, with `whsec_...` (needs the package `standardwebhooks`) or `whsk_...`;
   * with every key of a list, the newest first. A function gives those of an event's destination; `[]` = not signed.
   * Default: not signed.
   */
  readonly keys?: WebhookKeys | ((event: OutboxEvent) => WebhookKeys)
  /** Asks the destination's permission first (CloudEvents webhook handshake), and keeps the rate it allows. Default false. */
  readonly handshake?: WebhookHandshake | false
  /** How many requests to one origin, and from this process, in how much time. Default: no limit. */
  readonly rateLimit?: WebhookRateLimit
  /** How much one request may carry in mode 'batch'. */
  readonly maxBatch?: WebhookBatchLimit
  /** How long one request may take, redirects included, in milliseconds. Default 5000. */
  readonly timeout?: number
  /** How many requests to one destination are under way at once; events of one key never are. Default 10. */
  readonly concurrency?: number
  /** Follow at most 5 redirects (301, 302, 307, 308), posting again. Default false. */
  readonly followRedirects?: boolean
  /** Permit addresses in private networks to redirects and to a `url` function. Default false. */
  readonly allowPrivateNetworks?: boolean
  /** TLS of https: `ca`, `cert`, `key`, `minVersion`, ... as in `node:tls`. Default: Node's own authorities. */
  readonly tls?: SecureContextOptions
  /** How names are resolved, as in `node:net`. Default: `lookup` of `node:dns`. */
  readonly lookup?: LookupFunction
  /** The largest event, in bytes of its JSON. Default 1048576 (1 MiB). */
  readonly maxEventBytes?: number
}

export type WebhookHeaders = Readonly<Record<string, string>>
export type WebhookKeys = string | readonly string[]

export interface WebhookRateLimit {
  /** 1 to 1000000, spread evenly over `per`. */
  readonly requests: number
  /** In milliseconds. */
  readonly per: number
  /** How many may go at once after a rest; any `per` then has at most `requests + burst - 1`. Default 1. */
  readonly burst?: number
}

export interface WebhookBatchLimit {
  /** Default 100. */
  readonly events?: number
  /** Of the body; a larger event goes by itself. Default 1048576 (1 MiB). */
  readonly bytes?: number
}

/** The options with all defaults. */
export interface ResolvedWebhookOptions {
  readonly url: URL | ((event: OutboxEvent) => string)
  readonly destination: ((event: OutboxEvent) => string) | undefined
  readonly mode: 'structured' | 'binary' | 'batch'
  readonly headers: WebhookHeaders | (() => WebhookHeaders | Promise<WebhookHeaders>)
  readonly keys: readonly SigningKey[] | ((event: OutboxEvent) => WebhookKeys)
  readonly handshake: ResolvedHandshake | undefined
  readonly rateLimit: RateLimit | undefined
  readonly maxBatch: BatchLimit
  readonly timeout: number
  readonly concurrency: number
  readonly followRedirects: boolean
  readonly allowPrivateNetworks: boolean
  readonly tls: SecureContextOptions
  readonly lookup: LookupFunction | undefined
  readonly maxEventBytes: number
}

const NAMES = [
  'url',
  'destination',
  'mode',
  'headers',
  'keys',
  'handshake',
  'rateLimit',
  'maxBatch',
  'timeout',
  'concurrency',
  'followRedirects',
  'allowPrivateNetworks',
  'tls',
  'lookup',
  'maxEventBytes',
] as const satisfies readonly (keyof WebhookOptions)[]

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
export function resolveWebhookOptions(options: WebhookOptions): ResolvedWebhookOptions {
  const check = new OptionCheck('webhook', options, NAMES)
  const url = typeof options.url === 'function' ? options.url : httpUrl(options.url)
  if (!url) {
    const shown = showWithoutSecrets(options.url)
    check.problem('url', `must be an http:// or https:// address or a function, not ${shown}`)
  }
  const given = options.headers ?? {}
  if (typeof given !== 'function') {
    for (const problem of headerProblems(given)) check.problem('headers', problem)
  }
  const { tls = {}, lookup, destination } = options
  if (destination !== undefined && typeof destination !== 'function') {
    check.problem('destination', 'must be a function that names the place an event goes to')
  }
  if (typeof tls !== 'object' || tls === null) check.problem('tls', 'must be an object, as for node:tls')
  if (lookup !== undefined && typeof lookup !== 'function') check.problem('lookup', 'must be a function')
  const resolved: ResolvedWebhookOptions = {
    url: url ?? new URL('http://invalid.invalid'),
    destination,
    mode: check.oneOf('mode', 'structured', ['structured', 'binary', 'batch']),
    headers: given,
    keys: resolveKeys(options.keys, check),
    handshake: resolveHandshake(options.handshake, (message) => check.problem('handshake', message)),
    rateLimit: resolveRateLimit(options.rateLimit, check),
    maxBatch: resolveMaxBatch(options.maxBatch, check),
    timeout: check.milliseconds('timeout', 5_000),
    concurrency: check.integer('concurrency', 10, { min: 1, max: 10_000 }),
    followRedirects: check.boolean('followRedirects', false),
    allowPrivateNetworks: check.boolean('allowPrivateNetworks', false),
    tls,
    lookup,
    maxEventBytes: check.integer('maxEventBytes', 1_048_576, { min: 1_024, max: 2 ** 29 - 1_024 }),
  }
  if (options.maxBatch !== undefined && resolved.mode !== 'batch') check.problem('maxBatch', "needs mode: 'batch'")
  check.done()
  return Object.freeze(resolved)
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
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch (error) {
      problems.push(`has ${name}, which HTTP cannot carry: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return problems
}

function resolveKeys(given: WebhookOptions['keys'], check: OptionCheck): ResolvedWebhookOptions['keys'] {
  if (given === undefined || typeof given === 'function') return given ?? []
  const texts: readonly unknown[] = Array.isArray(given) ? given : [given]
  if (texts.length === 0) check.problem('keys', 'is an empty list; leave it out to send without a signature')
  return texts.flatMap((text, at) => {
    const key = readSigningKey(text)
    if (!('problem' in key)) return [key]
    check.problem(Array.isArray(given) ? `keys[${at}]` : 'keys', key.problem)
    return []
  })
}

function resolveRateLimit(given: WebhookRateLimit | undefined, check: OptionCheck): RateLimit | undefined {
  if (given === undefined) return undefined
  const inner = new NestedCheck('rateLimit', given, ['requests', 'per', 'burst'], check)
  const requests = inner.integer('requests', undefined, 1_000_000)
  const per = inner.integer('per', undefined, 86_400_000)
  return { requests, per, burst: inner.integer('burst', 1, 1_000_000) }
}

function resolveMaxBatch(given: WebhookBatchLimit | undefined, check: OptionCheck): BatchLimit {
  const inner = new NestedCheck('maxBatch', given ?? {}, ['events', 'bytes'], check)
  return { events: inner.integer('events', 100, 100_000), bytes: inner.integer('bytes', 1_048_576, 2 ** 29) }
}

/** The whole numbers of an option that is an object. */
class NestedCheck {
  readonly #name: string
  readonly #given: Readonly<Record<string, unknown>>
  readonly #check: OptionCheck

  constructor(name: string, given: object, known: readonly string[], check: OptionCheck) {
    this.#name = name
    this.#check = check
    this.#given = typeof given === 'object' && given !== null ? { ...given } : {}
    if (typeof given !== 'object' || given === null) check.problem(name, `must be an object with ${known.join(', ')}`)
    for (const key of Object.keys(this.#given)) {
      if (!known.includes(key)) check.problem(name, `has ${key}, which is not an option; they are ${known.join(', ')}`)
    }
  }

  integer(key: string, fallback: number | undefined, max: number): number {
    const value = this.#given[key] ?? fallback
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
    this.#check.problem(this.#name, `needs ${key} as a whole number from 1 to ${max}, not ${showValue(value)}`)
    return 1
  }
}
