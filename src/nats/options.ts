import { rateOption } from '../backend/rate.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { withCredentials } from '../foundation/credential.ts'
import {
  bytes,
  duration,
  flag,
  having,
  integer,
  nested,
  oneOf,
  option,
  passedOn,
  place,
  required,
  shorthand,
  texts,
} from '../foundation/option-kinds.ts'
import { type OptionsOf, type ResolvedOf, readOptions } from '../foundation/option-table.ts'
import { isSubject } from './subject.ts'

/** The members of a NATS connection that we call, whatever transport of `@nats-io/nats-core` it has. */
export interface NatsClient {
  /** The server's own data. */
  readonly info?: { readonly max_payload: number }
  isClosed(): boolean
  request(subject: string, payload?: Uint8Array | string): Promise<unknown>
}

type Anything = Readonly<Record<string, unknown>>

/** The server's rule for names of streams and consumers: each is a token in the subjects of its API. */
export const NATS_NAME = 'a name without spaces and without . * > / \\'

export function isNatsName(name: unknown): name is string {
  return typeof name === 'string' && /^[^\s.*>/\\]+$/.test(name)
}

/** Where NATS is, and as whom; shared by backend and subscription. */
export const NATS_CONNECTION = {
  /** `nats://host:port`, or several; the first that answers. Default 'nats://127.0.0.1:4222'. */
  url: place(texts('a url', ['nats://127.0.0.1:4222'], (url) => url !== '')),
  /**
   * Options for the `connect` of `@nats-io/transport-node`: `user`, `pass`, `token`, `authenticator`, `tls`, `name`,
   * ... Default: none.
   */
  connection: withCredentials(passedOn<Anything, Anything>('an object of options of @nats-io/transport-node', {})),
  /** A connection of your own, which you open and close. Default: one is opened from the options. */
  client: place(having<NatsClient>('a connection of @nats-io/transport-node', 'request', 'isClosed')),
  /** Options for JetStream: `{ domain }` or `{ apiPrefix }`. Default: none. */
  jetstream: passedOn<Anything, Anything>('an object of options of JetStream', {}),
  /** How long connecting may take, in milliseconds. Default 5000. */
  connectTimeout: duration(5_000),
  /** How long an acknowledgement, or any other answer, may take, in milliseconds. Default 5000. */
  timeout: duration(5_000),
}

export const NATS_STREAM = {
  /** Its name; needed. */
  name: required(option<string, string | undefined>(NATS_NAME, undefined, isNatsName)),
  /** Create it when it is missing, with the options below. An existing one is never changed. Default false. */
  create: flag(false),
  /** Subjects that it must take. Default when it is created: `['events.>']`; otherwise they are not checked. */
  subjects: option<readonly string[], readonly string[] | undefined>('a list of subjects', undefined, (value) => {
    return Array.isArray(value) && value.length > 0
  }),
  /** How long a created stream recognises a duplicate, in milliseconds. Default 120000. */
  duplicateWindow: duration(120_000, { min: 100, max: Number.MAX_SAFE_INTEGER }),
  /**
   * More configuration of a created stream, as the server names it: `{ storage, num_replicas, max_age, ... }`. Default:
   * the server's own.
   */
  config: passedOn<Anything, Anything>("an object of the server's options of a stream", {}),
}
/** A stream that is made when it is missing. */
export type NatsStream = OptionsOf<typeof NATS_STREAM>
export type ResolvedNatsStream = ResolvedOf<typeof NATS_STREAM>

export const NATS = {
  ...NATS_CONNECTION,
  /** The stream that must store the events: its name, or how to create it. */
  stream: required(shorthand(nested(NATS_STREAM), (name): NatsStream => ({ name }))),
  /** The subject, with `{type}` for the event's type, or a function that names it. Default 'events.{type}'. */
  subject: option<string | ((event: OutgoingEvent) => string)>(
    'a function, or a subject without wildcards, spaces and empty tokens',
    'events.{type}',
    (value) => typeof value === 'function' || (typeof value === 'string' && isSubject(value.replaceAll('{type}', 'x'))),
  ),
  /** The whole CloudEvent as JSON, or its data with the attributes as headers. Default 'structured'. */
  mode: oneOf('structured', 'structured', 'binary'),
  /** How many events may wait for their acknowledgement at once, in one send. Default 1000. */
  concurrency: integer(1_000, { min: 1, max: 100_000 }),
  /** The largest event, in bytes of its JSON; NATS's own limit is 1 MiB, with headers. Default 1000000. */
  maxEventBytes: bytes(1_000_000, { min: 1024, max: 64 * 1024 * 1024 }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type NatsJetStreamOptions = OptionsOf<typeof NATS>
export type ResolvedNatsOptions = ReturnType<typeof resolveOptions>

/** Whether the subject follows from the event. */
export function eachOwnSubject({ subject }: Pick<ResolvedNatsOptions, 'subject'>): boolean {
  return typeof subject === 'function' || subject.includes('{type}')
}

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: NatsJetStreamOptions) {
  return readOptions('natsJetStream()', NATS, options, (read, { alone }) => {
    alone('client', ['url', 'connection'])
    return read
  })
}
