import { validateHeaderName, validateHeaderValue } from 'node:http'
import { showValue } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'

export interface WebhookOptions {
  /**
   * Where events are posted (http or https), or a function that says it for each event. A fixed address may be in a
   * private network: you wrote it. One that a function returns may not, unless `allowPrivateNetworks`.
   */
  readonly url: string | ((event: OutboxEvent) => string)
  /** `structured`: the whole event as JSON. `binary`: attributes as `ce-` headers, data as the body. Default 'structured'. */
  readonly mode?: 'structured' | 'binary'
  /** Headers of every request, such as `authorization`; or a function for headers that change. Default: none. */
  readonly headers?: WebhookHeaders | (() => WebhookHeaders | Promise<WebhookHeaders>)
  /** How long one event may take, redirects included, in milliseconds. Default 5000. */
  readonly timeout?: number
  /** How many requests to one origin are under way at once; events of one key never are. Default 10. */
  readonly concurrency?: number
  /** Follow at most 5 redirects (301, 302, 307, 308), posting again. Default false. */
  readonly followRedirects?: boolean
  /** Permit addresses in private networks to redirects and to a `url` function. Default false. */
  readonly allowPrivateNetworks?: boolean
  /** The largest event, in bytes of its JSON. Default 1048576 (1 MiB). */
  readonly maxEventBytes?: number
}

export type WebhookHeaders = Readonly<Record<string, string>>

/** The options with all defaults. */
export interface ResolvedWebhookOptions {
  readonly url: URL | ((event: OutboxEvent) => string)
  readonly mode: 'structured' | 'binary'
  readonly headers: () => WebhookHeaders | Promise<WebhookHeaders>
  readonly timeout: number
  readonly concurrency: number
  readonly followRedirects: boolean
  readonly allowPrivateNetworks: boolean
  readonly maxEventBytes: number
}

const NAMES = [
  'url',
  'mode',
  'headers',
  'timeout',
  'concurrency',
  'followRedirects',
  'allowPrivateNetworks',
  'maxEventBytes',
] as const satisfies readonly (keyof WebhookOptions)[]

/** Headers that the event and the connection need for themselves. */
const OURS: ReadonlySet<string> = new Set(['content-type', 'content-length', 'transfer-encoding', 'connection', 'host'])

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveWebhookOptions(options: WebhookOptions): ResolvedWebhookOptions {
  const check = new OptionCheck('webhook', options, NAMES)
  const url = typeof options.url === 'function' ? options.url : httpUrl(options.url)
  if (!url) check.problem('url', `must be an http:// or https:// address or a function, not ${showValue(options.url)}`)
  const given = options.headers ?? {}
  if (typeof given !== 'function') {
    for (const problem of headerProblems(given)) check.problem('headers', problem)
  }
  const resolved: ResolvedWebhookOptions = {
    url: url ?? new URL('http://invalid.invalid'),
    mode: check.oneOf('mode', 'structured', ['structured', 'binary']),
    headers: typeof given === 'function' ? given : () => given,
    timeout: check.milliseconds('timeout', 5_000),
    concurrency: check.integer('concurrency', 10, { min: 1, max: 10_000 }),
    followRedirects: check.boolean('followRedirects', false),
    allowPrivateNetworks: check.boolean('allowPrivateNetworks', false),
    maxEventBytes: check.integer('maxEventBytes', 1_048_576, { min: 1_024, max: 2 ** 29 - 1_024 }),
  }
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
