import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { showValue } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'
import { isConfirmChannel, type RabbitMqConfirmChannel } from './client.ts'

export interface RabbitMqOptions {
  /** `amqp[s]://[user:password@]host[:port][/vhost]`; instead of hostname, port, vhost, username, password, tls. */
  readonly url?: string
  /** Default 'localhost'. */
  readonly hostname?: string
  /** Default 5672, with TLS 5671. */
  readonly port?: number
  /** Default '/'. */
  readonly vhost?: string
  /** Default 'guest', whom RabbitMQ lets in from its own machine only. */
  readonly username?: string
  /** Default 'guest'. */
  readonly password?: string
  /** True, or Node's TLS options. Default: true for an `amqps:` url, otherwise false. */
  readonly tls?: boolean | TlsOptions
  /**
   * A confirm channel of your own (amqplib's `createConfirmChannel`), which you open and close. When it has closed, every
   * event is an outage. Default: a connection is opened from the options, and again after it was lost.
   */
  readonly channel?: RabbitMqConfirmChannel
  /** The exchange, or a function that names it for each event. Default: the one in `declare`, else '' (see the docs). */
  readonly exchange?: string | ((event: OutboxEvent) => string)
  /** The routing key, or a function that makes it for each event. Default: the event's type. */
  readonly routingKey?: string | ((event: OutboxEvent) => string)
  /** Declared whenever a connection is opened. Default: nothing; what is used must exist. */
  readonly declare?: { readonly exchange: RabbitMqExchange }
  /** `structured`: the whole event as JSON. `binary`: attributes as `cloudEvents_` headers. Default 'structured'. */
  readonly mode?: 'structured' | 'binary'
  /** After this many seconds of silence RabbitMQ and we ask for a sign of life. Default 10. */
  readonly heartbeat?: number
  /** Until RabbitMQ is ready for messages, in milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long a confirm may take, in milliseconds. Default 10000. */
  readonly confirmTimeout?: number
  /** The largest event, in bytes of its JSON. Default 8388608 (8 MiB). */
  readonly maxEventBytes?: number
}

export interface RabbitMqExchange {
  readonly name: string
  /** Default 'topic'. */
  readonly type?: 'direct' | 'topic' | 'fanout' | 'headers'
  /** Whether it survives a restart of RabbitMQ. Default true. */
  readonly durable?: boolean
}

/** Where to connect, and as whom. */
export interface Address {
  readonly hostname: string
  readonly port: number
  readonly vhost: string
  readonly username: string
  readonly password: string
  readonly tls: boolean | TlsOptions
}

/** The options with all defaults. */
export interface ResolvedRabbitMqOptions {
  readonly address: Address
  readonly channel: RabbitMqConfirmChannel | undefined
  readonly exchange: string | ((event: OutboxEvent) => string)
  readonly routingKey: string | ((event: OutboxEvent) => string)
  readonly declare: Required<RabbitMqExchange> | undefined
  readonly mode: 'structured' | 'binary'
  readonly heartbeat: number
  readonly connectTimeout: number
  readonly confirmTimeout: number
  readonly maxEventBytes: number
}

const ADDRESS = ['hostname', 'port', 'vhost', 'username', 'password', 'tls'] as const
const NAMES = [
  'url',
  ...ADDRESS,
  'channel',
  'exchange',
  'routingKey',
  'declare',
  'mode',
  'heartbeat',
  'connectTimeout',
  'confirmTimeout',
  'maxEventBytes',
] as const satisfies readonly (keyof RabbitMqOptions)[]

const TYPES: readonly unknown[] = ['direct', 'topic', 'fanout', 'headers']

/** The routing key, unless the options say otherwise. */
export const typeOf = (event: OutboxEvent): string => event.eventType

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: RabbitMqOptions): ResolvedRabbitMqOptions {
  const check = new OptionCheck('rabbitmq', options, NAMES)
  check.places('url', 'hostname', 'channel')
  const { channel } = options
  if (channel !== undefined && !isConfirmChannel(channel)) {
    check.problem('channel', 'must be a channel with confirms: make it with connection.createConfirmChannel()')
  }
  for (const [one, others] of [
    ['url', ADDRESS],
    ['channel', ['url', ...ADDRESS, 'declare', 'heartbeat']],
  ] as const) {
    const both = options[one] === undefined ? [] : others.filter((name) => options[name] !== undefined)
    if (both.length > 0) check.problem(one, `cannot be combined with ${both.join(', ')}`)
  }
  const declare = exchangeOf(options, check)
  const resolved: ResolvedRabbitMqOptions = {
    address: addressOf(options, check),
    channel,
    exchange: nameOf('exchange', options.exchange, declare?.name ?? '', check),
    routingKey: nameOf('routingKey', options.routingKey, typeOf, check),
    declare,
    mode: check.oneOf('mode', 'structured', ['structured', 'binary']),
    heartbeat: check.integer('heartbeat', 10, { min: 1, max: 65_535 }),
    connectTimeout: check.milliseconds('connectTimeout', 5_000),
    confirmTimeout: check.milliseconds('confirmTimeout', 10_000),
    maxEventBytes: check.integer('maxEventBytes', 8 * 1024 * 1024, { min: 1_024, max: 512 * 1024 * 1024 }),
  }
  check.done()
  return Object.freeze(resolved)
}

function nameOf<Value extends string | ((event: OutboxEvent) => string)>(
  field: string,
  value: Value | undefined,
  fallback: Value,
  check: OptionCheck,
): Value {
  if (typeof value === 'function') return value
  if (value === undefined) return fallback
  if (typeof value === 'string' && Buffer.byteLength(value) <= 255) return value
  check.problem(field, `must be a text of at most 255 bytes or a function, not ${showValue(value)}`)
  return fallback
}

function addressOf(options: RabbitMqOptions, check: OptionCheck): Address {
  const text = check.text('url')
  const url = text === undefined ? null : URL.parse(text)
  if (text !== undefined && (!url || !/^amqps?:$/.test(url.protocol) || url.hostname === '' || url.search !== '')) {
    // The value may hold a password: it is not shown.
    check.problem('url', 'must be amqp[s]://[user:password@]host[:port][/vhost], without a query')
  }
  const tls = options.tls ?? url?.protocol === 'amqps:'
  const fallback = tls === false ? 5672 : 5671
  const decoded = (part: string | undefined): string | undefined => check.decoded('url', part)
  return {
    hostname: url?.hostname.replace(/^\[|\]$/g, '') || check.text('hostname') || 'localhost',
    port: url?.port ? Number(url.port) : check.integer('port', fallback, { min: 1, max: 65_535 }),
    vhost: decoded(url?.pathname.slice(1)) ?? check.text('vhost') ?? '/',
    username: decoded(url?.username) ?? check.text('username') ?? 'guest',
    password: decoded(url?.password) ?? check.text('password') ?? 'guest',
    tls,
  }
}

function exchangeOf({ declare }: RabbitMqOptions, check: OptionCheck): Required<RabbitMqExchange> | undefined {
  if (declare === undefined) return undefined
  const { name, type = 'topic', durable = true } = declare.exchange ?? {}
  if (typeof name !== 'string' || name === '' || !TYPES.includes(type) || typeof durable !== 'boolean') {
    check.problem('declare', `must be { exchange: { name, type, durable } } with a type out of ${TYPES.join(', ')}`)
    return undefined
  }
  return { name, type, durable }
}
