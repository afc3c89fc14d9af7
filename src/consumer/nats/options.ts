import type { NatsClient, NatsJetStreamOptions, ResolvedNatsOptions } from '../../backend/nats/options.ts'
import { resolveOptions as resolveConnection } from '../../backend/nats/options.ts'
import { isSubject } from '../../backend/nats/subject.ts'
import { OptionCheck } from '../../backend/option-check.ts'

/** Where messages go that were given up. */
export interface NatsDeadLetter {
  /** The stream that keeps them. Default `<stream>_DEAD`. */
  readonly stream?: string
  /** The subject under which they are published. Default `dead.<stream>.<durable>`. */
  readonly subject?: string
  /** Create the stream, with the subjects `dead.<stream>.>`, when it is missing. Default true. */
  readonly create?: boolean
}

export interface NatsJetStreamSubscriptionOptions {
  /** `nats://host:port`, or several; the first that answers. Default 'nats://127.0.0.1:4222'. */
  readonly servers?: string | readonly string[]
  /** Options for the `connect` of `@nats-io/transport-node`: `user`, `pass`, `token`, `authenticator`, `tls`, ... */
  readonly connection?: Readonly<Record<string, unknown>>
  /** A connection of your own, which you open and close. Default: one is opened from the options. */
  readonly client?: NatsClient
  /** Options for JetStream: `{ domain }` or `{ apiPrefix }`. */
  readonly jetstream?: Readonly<Record<string, unknown>>
  /** The stream to read; it must exist. */
  readonly stream: string
  /** The durable consumer, made when it is missing. Default: the consumer's name. */
  readonly durable?: string
  /** Only messages of this subject, which may have wildcards. Default: all of the stream. */
  readonly filterSubject?: string
  /** Where a consumer that is made begins: with all that the stream has, or with what comes. Default 'all'. */
  readonly start?: 'all' | 'new'
  /**
   * After so long without a sign of life a message is handed out again, in milliseconds, 1,000 at least; we give one three
   * times as often. An existing consumer keeps its own. Default 30000.
   */
  readonly ackWait?: number
  /** Messages handed out to all processes together and not acknowledged, of a consumer that is made. Default 10000. */
  readonly maxAckPending?: number
  readonly deadLetter?: NatsDeadLetter
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long an answer may take, in milliseconds. Default 5000. */
  readonly timeout?: number
}

/** The options with all defaults; what is undefined follows from the consumer's name. */
export interface ResolvedNatsSubscriptionOptions {
  readonly connection: ResolvedNatsOptions
  readonly stream: string
  readonly durable: string | undefined
  readonly filterSubject: string | undefined
  readonly start: 'all' | 'new'
  readonly ackWait: number
  readonly maxAckPending: number
  readonly timeout: number
  readonly deadLetter: NatsDeadLetter & { readonly create: boolean; readonly stream: string }
}

const NAMES = [
  'servers',
  'connection',
  'client',
  'jetstream',
  'stream',
  'durable',
  'filterSubject',
  'start',
  'ackWait',
  'maxAckPending',
  'deadLetter',
  'connectTimeout',
  'timeout',
] as const satisfies readonly (keyof NatsJetStreamSubscriptionOptions)[]

const DEAD_LETTER_NAMES: readonly string[] = ['stream', 'subject', 'create']

/** The server's rule for names of streams and consumers. */
export function isNatsName(name: unknown): name is string {
  return typeof name === 'string' && /^[^\s.*>/\\]+$/.test(name)
}

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: NatsJetStreamSubscriptionOptions): ResolvedNatsSubscriptionOptions {
  const check = new OptionCheck('natsJetStreamSubscription', options, NAMES)
  check.places('servers', 'client')
  const { stream, durable, filterSubject } = options
  if (!isNatsName(stream)) check.problem('stream', 'must be the name of a stream: no spaces, no . * > / \\')
  if (durable !== undefined && !isNatsName(durable)) {
    check.problem('durable', 'must be a name without spaces and without . * > / \\')
  }
  if (filterSubject !== undefined && !isSubject(String(filterSubject).replace(/(^|\.)[*>](?=\.|$)/g, '$1x'))) {
    check.problem('filterSubject', 'must be a subject without spaces and empty tokens; * and > stand for whole tokens')
  }
  const deadLetter = deadLetterOf(options, check)
  const settings = {
    stream,
    durable,
    filterSubject,
    start: check.oneOf('start', 'all', ['all', 'new']),
    ackWait: check.integer('ackWait', 30_000, { min: 1_000, max: 2 ** 31 - 1 }),
    maxAckPending: check.integer('maxAckPending', 10_000, { min: 1, max: 1_000_000 }),
    timeout: check.milliseconds('timeout', 5_000),
    deadLetter,
  }
  check.done()
  return Object.freeze({ ...settings, connection: connectionOf(options) })
}

function deadLetterOf(
  { stream, deadLetter = {} }: NatsJetStreamSubscriptionOptions,
  check: OptionCheck,
): ResolvedNatsSubscriptionOptions['deadLetter'] {
  const { create = true, subject, stream: name = `${stream}_DEAD` } = deadLetter
  for (const unknown of Object.keys(deadLetter).filter((each) => !DEAD_LETTER_NAMES.includes(each))) {
    check.problem('deadLetter', `has no option ${unknown}; its options are ${DEAD_LETTER_NAMES.join(', ')}`)
  }
  if (!isNatsName(name)) check.problem('deadLetter', 'has a stream that is no name: no spaces, no . * > / \\')
  if (subject !== undefined && !isSubject(subject)) {
    check.problem('deadLetter', 'has a subject with a wildcard, a space or an empty token')
  }
  if (typeof create !== 'boolean') check.problem('deadLetter', 'has a create that is neither true nor false')
  return { create, stream: name, ...(subject === undefined ? {} : { subject }) }
}

function connectionOf(options: NatsJetStreamSubscriptionOptions): ResolvedNatsOptions {
  const names = ['servers', 'connection', 'client', 'jetstream', 'connectTimeout', 'timeout'] as const
  const given = names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const]))
  return resolveConnection({ ...(Object.fromEntries(given) as Partial<NatsJetStreamOptions>), stream: options.stream })
}
