import { rateOption } from '../backend/rate.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { credential } from '../foundation/credential.ts'
import {
  bytes,
  duration,
  flag,
  integer,
  nested,
  oneOf,
  option,
  optional,
  parsed,
  place,
  required,
  secret,
  text,
} from '../foundation/option-kinds.ts'
import { type OptionsOf, type ResolvedOf, readOptions } from '../foundation/option-table.ts'
import { tlsOption } from '../foundation/tls-option.ts'
import { type UrlParts, urlParts } from '../foundation/url-parts.ts'
import { isConfirmChannel, type RabbitMqConfirmChannel } from './client.ts'

/** Where RabbitMQ is, and as whom; shared by backend and subscription. */
export const RABBITMQ_CONNECTION = {
  /**
   * `amqp[s]://[user:password@]host[:port][/vhost]`, or one for each node of a cluster, instead of host, port, vhost,
   * username, password and tls. The first is tried first, the next one whenever a node cannot be reached or was lost.
   * Default: by those.
   */
  url: place(
    parsed<string | readonly string[], readonly UrlParts[] | undefined>(
      'amqp[s]://[user:password@]host[:port][/vhost] without a query, with special characters percent-encoded, or a list of such',
      undefined,
      readUrls,
    ),
  ),
  /** Default 'localhost'. */
  host: place(text('localhost')),
  /** Default 5672, with TLS 5671. */
  port: integer(undefined, { min: 1, max: 65_535 }),
  /** Default '/'. */
  vhost: text('/'),
  /** Default 'guest', whom RabbitMQ admits only from its own machine. */
  username: credential(text('guest')),
  /** Default 'guest'. */
  password: credential(secret(text('guest'))),
  /** True, or Node's TLS options. Default: true for an `amqps:` url, otherwise false. */
  tls: tlsOption(undefined),
  /** The interval of AMQP heartbeats, in seconds. Default 10. */
  heartbeat: integer(10, { min: 1, max: 65_535 }),
  /** How long it may take until RabbitMQ is ready for messages, in milliseconds. Default 5000. */
  connectTimeout: duration(5_000),
  /** How long a confirm may take, in milliseconds. Default 10000. */
  timeout: duration(10_000),
}

/** What a url says already. */
export const RABBITMQ_ADDRESS = ['host', 'port', 'vhost', 'username', 'password', 'tls'] as const

export const RABBITMQ_EXCHANGE = {
  /** Its name; needed. */
  name: required(text(undefined)),
  /** Default 'topic'. */
  type: oneOf('topic', 'direct', 'topic', 'fanout', 'headers'),
  /** Whether it survives a restart of RabbitMQ. Default true. */
  durable: flag(true),
}
/** An exchange that is declared when it is missing. */
export type RabbitMqExchange = OptionsOf<typeof RABBITMQ_EXCHANGE>

export const RABBITMQ_CREATED = {
  /** The exchange; needed. */
  exchange: required(nested(RABBITMQ_EXCHANGE)),
}

type Named = string | ((event: OutgoingEvent) => string)

export const RABBITMQ = {
  ...RABBITMQ_CONNECTION,
  /**
   * A confirm channel of your own (amqplib's `createConfirmChannel`), which you open and close. When it has closed,
   * every event is an outage. Default: a connection is opened from the options, and again after it was lost.
   */
  channel: place(
    secret(
      option<RabbitMqConfirmChannel, RabbitMqConfirmChannel | undefined>(
        'a channel with confirms, made with connection.createConfirmChannel()',
        undefined,
        isConfirmChannel,
      ),
    ),
  ),
  /** The exchange, or a function that names it for each event. Default: the one in `create`, else '' (see the docs). */
  exchange: named(),
  /** The routing key, or a function that makes it for each event. Default: the event's type. */
  routingKey: named(),
  /** Declared (made if missing) whenever a connection is opened. Default: nothing; what is used must exist. */
  create: optional(nested(RABBITMQ_CREATED)),
  /** `structured`: the whole event as JSON. `binary`: attributes as `cloudEvents_` headers. Default 'structured'. */
  mode: oneOf('structured', 'structured', 'binary'),
  /** The largest event, in bytes of its JSON. Default 8388608 (8 MiB). */
  maxEventBytes: bytes(8 * 1024 * 1024, { min: 1_024, max: 512 * 1024 * 1024 }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type RabbitMqOptions = OptionsOf<typeof RABBITMQ>
export type ResolvedRabbitMqOptions = ReturnType<typeof resolveOptions>

/** The routing key, unless the options say otherwise. */
export const typeOf = (event: OutgoingEvent): string => event.type

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: RabbitMqOptions) {
  return readOptions('rabbitmq()', RABBITMQ, options, (read, { alone }) => {
    alone('channel', ['url', ...RABBITMQ_ADDRESS, 'create', 'heartbeat'])
    alone('url', RABBITMQ_ADDRESS)
    const {
      channel,
      exchange,
      routingKey = typeOf,
      mode,
      heartbeat,
      connectTimeout,
      timeout,
      maxEventBytes,
      rate,
    } = read
    const created = read.create?.exchange
    return {
      ...{ addresses: addressesOf(read), channel, mode, heartbeat, connectTimeout, timeout, maxEventBytes, rate },
      ...{ exchange: exchange ?? created?.name ?? '', routingKey, create: created },
    }
  })
}

/** Where to connect, and as whom; names as amqplib has them. */
export interface Address {
  readonly hostname: string
  readonly port: number
  readonly vhost: string
  readonly username: string
  readonly password: string
  readonly tls: NonNullable<ResolvedOf<typeof RABBITMQ_CONNECTION>['tls']>
}

/** One at least. */
export function addressesOf(read: ResolvedOf<typeof RABBITMQ_CONNECTION>): readonly Address[] {
  return (read.url ?? [undefined]).map((url): Address => {
    const tls = read.tls ?? url?.scheme === 'amqps'
    return {
      hostname: url?.host ?? read.host,
      port: url?.port ?? read.port ?? (tls === false ? 5672 : 5671),
      vhost: decodeURIComponent(url?.path.slice(1) ?? '') || read.vhost,
      username: url?.username ?? read.username,
      password: url?.password ?? read.password,
      tls,
    }
  })
}

function readUrls(value: unknown): readonly UrlParts[] | undefined {
  const urls = (Array.isArray(value) ? value : [value]).map((url) => urlParts(url, ['amqp', 'amqps']))
  const fits = (url: UrlParts | undefined): url is UrlParts => url !== undefined && url.host !== '' && url.query === ''
  return urls.length > 0 && urls.every(fits) ? urls : undefined
}

function named() {
  return option<Named, Named | undefined>('a text of at most 255 bytes, or a function', undefined, (value) => {
    return typeof value === 'function' || (typeof value === 'string' && Buffer.byteLength(value) <= 255)
  })
}
