import { showWithoutSecrets } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'
import { isSubject } from './subject.ts'

/** What we call of a NATS connection: that of `@nats-io/transport-node` or any other transport of `@nats-io/nats-core`. */
export interface NatsClient {
  /** What the server says of itself. */
  readonly info?: { readonly max_payload: number }
  isClosed(): boolean
  request(subject: string, payload?: Uint8Array | string): Promise<unknown>
}

export interface NatsStream {
  readonly name: string
  /** Create it when it is missing, with the options below. An existing one is never changed. Default false. */
  readonly create?: boolean
  /** Subjects that it must take. Default when it is created: `['events.>']`; otherwise they are not checked. */
  readonly subjects?: readonly string[]
  /** How long a created stream knows an event again, in milliseconds. Default 120000. */
  readonly duplicateWindow?: number
  /** Anything else of a created stream's configuration, as the server names it: `{ storage, num_replicas, max_age, ... }`. */
  readonly config?: Readonly<Record<string, unknown>>
}

export interface NatsJetStreamOptions {
  /** `nats://host:port`, or several; the first that answers. Default 'nats://127.0.0.1:4222'. */
  readonly servers?: string | readonly string[]
  /** Options for the `connect` of `@nats-io/transport-node`: `user`, `pass`, `token`, `authenticator`, `tls`, `name`, ... */
  readonly connection?: Readonly<Record<string, unknown>>
  /** A connection of your own, which you open and close. Default: one is opened from the options. */
  readonly client?: NatsClient
  /** Options for JetStream: `{ domain }` or `{ apiPrefix }`. */
  readonly jetstream?: Readonly<Record<string, unknown>>
  /** The stream that must store the events: its name, or how to create it. */
  readonly stream: string | NatsStream
  /** The subject, in which `{type}` stands for the event's type, or a function that names it. Default 'events.{type}'. */
  readonly subject?: string | ((event: OutboxEvent) => string)
  /** One message holds the whole CloudEvent as JSON, or its data with the attributes as headers. Default 'structured'. */
  readonly mode?: 'structured' | 'binary'
  /** How long connecting may take, in milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long an acknowledgement may take, in milliseconds. Default 5000. */
  readonly timeout?: number
  /** How many events may wait for their acknowledgement in one send. Default 1000. */
  readonly maxInFlight?: number
  /** The largest event, in bytes of its JSON. Default 1000000: NATS's own limit of 1 MiB, less room for headers. */
  readonly maxEventBytes?: number
}

/** The stream, with all defaults. */
export type ResolvedNatsStream = Required<Omit<NatsStream, 'subjects'>> & Pick<NatsStream, 'subjects'>

/** The options with all defaults. */
export interface ResolvedNatsOptions {
  readonly servers: readonly string[]
  readonly connection: Readonly<Record<string, unknown>>
  readonly client: NatsClient | undefined
  readonly jetstream: Readonly<Record<string, unknown>>
  readonly stream: ResolvedNatsStream
  readonly subject: string | ((event: OutboxEvent) => string)
  readonly mode: 'structured' | 'binary'
  readonly connectTimeout: number
  readonly timeout: number
  readonly maxInFlight: number
  readonly maxEventBytes: number
}

const NAMES = [
  'servers',
  'connection',
  'client',
  'jetstream',
  'stream',
  'subject',
  'mode',
  'connectTimeout',
  'timeout',
  'maxInFlight',
  'maxEventBytes',
] as const satisfies readonly (keyof NatsJetStreamOptions)[]

const STREAM_NAMES: readonly string[] = ['name', 'create', 'subjects', 'duplicateWindow', 'config']

/** Whether the subject follows from the event. */
export function eachOwnSubject({ subject }: Pick<ResolvedNatsOptions, 'subject'>): boolean {
  return typeof subject === 'function' || subject.includes('{type}')
}

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: NatsJetStreamOptions): ResolvedNatsOptions {
  const check = new OptionCheck('natsJetStream', options, NAMES)
  check.places('servers', 'client')
  const { subject = 'events.{type}', client, servers = 'nats://127.0.0.1:4222' } = options
  if (typeof subject !== 'function' && (typeof subject !== 'string' || !isSubject(subject.replaceAll('{type}', 'x')))) {
    check.problem('subject', 'must be a function or a subject without wildcards, spaces and empty tokens')
  }
  const list = typeof servers === 'string' ? [servers] : servers
  if (!Array.isArray(list) || list.length === 0 || list.some((each) => typeof each !== 'string' || each === '')) {
    check.problem('servers', `must be one url or a list of them, not ${showWithoutSecrets(servers)}`)
  }
  if (client !== undefined) {
    if (typeof client?.request !== 'function' || typeof client.isClosed !== 'function') {
      check.problem('client', 'must be a connection of @nats-io/transport-node')
    }
    for (const name of ['servers', 'connection'] as const) {
      if (options[name] !== undefined) check.problem(name, 'has no effect beside client; leave one of them out')
    }
  }
  const resolved: ResolvedNatsOptions = {
    servers: list,
    connection: options.connection ?? {},
    client,
    jetstream: options.jetstream ?? {},
    stream: streamOf(options.stream, check),
    subject,
    mode: check.oneOf('mode', 'structured', ['structured', 'binary']),
    connectTimeout: check.milliseconds('connectTimeout', 5_000),
    timeout: check.milliseconds('timeout', 5_000),
    maxInFlight: check.integer('maxInFlight', 1_000, { min: 1, max: 100_000 }),
    maxEventBytes: check.integer('maxEventBytes', 1_000_000, { min: 1024, max: 64 * 1024 * 1024 }),
  }
  check.done()
  return Object.freeze(resolved)
}

function streamOf(given: NatsJetStreamOptions['stream'] | undefined, check: OptionCheck): ResolvedNatsStream {
  const stream: Partial<NatsStream> = typeof given === 'string' ? { name: given } : (given ?? {})
  const { name = '', create = false, subjects, duplicateWindow = 120_000, config = {} } = stream
  for (const unknown of Object.keys(stream).filter((each) => !STREAM_NAMES.includes(each))) {
    check.problem('stream', `has no option ${unknown}; its options are ${STREAM_NAMES.join(', ')}`)
  }
  // The server's rule for names; they are a token of the subjects of its API.
  if (typeof name !== 'string' || !/^[^\s.*>/\\]+$/.test(name)) {
    check.problem(
      'stream',
      'must be the name of a stream, or { name, create, ... }: no spaces, no . * > / \\ in the name',
    )
  }
  if (typeof create !== 'boolean') check.problem('stream', 'has a create that is neither true nor false')
  if (subjects !== undefined && (!Array.isArray(subjects) || subjects.length === 0)) {
    check.problem('stream', 'has subjects that are not a list of subjects')
  }
  if (!Number.isInteger(duplicateWindow) || duplicateWindow < 100) {
    check.problem('stream', 'has a duplicateWindow that is not a whole number of milliseconds, 100 at least')
  }
  return { name, create, duplicateWindow, config, ...(subjects === undefined ? {} : { subjects }) }
}
