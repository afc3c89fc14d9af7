import { showValue } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'
import { type Address, addressOf, connectionOf } from './address.ts'
import { isMqttClient, type MqttClient } from './client.ts'
import { isText } from './text.ts'
import { isTopic } from './topic.ts'

export interface MqttOptions {
  /** `mqtt[s]://[user:password@]host[:port]`, or `ws[s]://...`. Default 'mqtt://127.0.0.1:1883'. */
  readonly url?: string
  /** Further options for the `connect` of the package `mqtt`: `ca`, `cert`, `key`, `will`, `wsOptions`, ... Default: none. */
  readonly connection?: Readonly<Record<string, unknown>>
  /**
   * A client of your own, which you connect and end, made with `protocolVersion: 5` and `reconnectPeriod: 0`. When it has
   * lost its connection, every event is an outage. Default: one is made from the options, and again after it was lost.
   */
  readonly client?: MqttClient
  /** The name of our connection; a second one of the same name ends the first. Default: a new random one each time. */
  readonly clientId?: string
  /**
   * The topic, in which `{type}` stands for the event's type with `/` for its dots, or a function that names it. Default
   * 'events/{type}'.
   */
  readonly topic?: string | ((event: OutboxEvent) => string)
  /** 1: the server has the message at least once. 2: once for each time that we publish it. Default 1. */
  readonly qos?: 1 | 2
  /** `structured`: the whole event as JSON. `binary`: attributes as user properties. Default 'structured'. */
  readonly mode?: 'structured' | 'binary'
  /** Whether the server keeps the last message of each topic for those who subscribe later. Default false. */
  readonly retain?: boolean
  /** The server drops what it could not deliver within so many seconds. Default: never. */
  readonly expireAfter?: number
  /** An event that nobody has subscribed to is a failure; only with QoS 1. Default false. */
  readonly requireSubscriber?: boolean
  /** After this many seconds of silence we ask the server for a sign of life. Default 10. */
  readonly keepalive?: number
  /** Until the server has accepted the connection, in milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long an acknowledgement may take, in milliseconds. Default 10000. */
  readonly ackTimeout?: number
  /** How many messages may wait for their acknowledgement; the server may allow fewer. Default 1000. */
  readonly maxInFlight?: number
  /** The largest event, in bytes of its JSON. Default 1000000. */
  readonly maxEventBytes?: number
}

/** The options with all defaults. */
export interface ResolvedMqttOptions {
  readonly address: Address
  readonly connection: Readonly<Record<string, unknown>>
  readonly client: MqttClient | undefined
  readonly clientId: string | undefined
  readonly topic: string | ((event: OutboxEvent) => string)
  readonly qos: 1 | 2
  readonly mode: 'structured' | 'binary'
  readonly retain: boolean
  readonly expireAfter: number | undefined
  readonly requireSubscriber: boolean
  readonly keepalive: number
  readonly connectTimeout: number
  readonly ackTimeout: number
  readonly maxInFlight: number
  readonly maxEventBytes: number
}

const NAMES = [
  'url',
  'connection',
  'client',
  'clientId',
  'topic',
  'qos',
  'mode',
  'retain',
  'expireAfter',
  'requireSubscriber',
  'keepalive',
  'connectTimeout',
  'ackTimeout',
  'maxInFlight',
  'maxEventBytes',
] as const satisfies readonly (keyof MqttOptions)[]

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: MqttOptions): ResolvedMqttOptions {
  const check = new OptionCheck('mqtt', options, NAMES)
  check.places('url', 'client')
  const { topic = 'events/{type}', qos = 1 } = options
  if (typeof topic !== 'function' && (typeof topic !== 'string' || !isTopic(topic.replaceAll('{type}', 'x')))) {
    check.problem('topic', 'must be a function or a topic without wildcards')
  }
  if (qos !== 1 && qos !== 2) check.problem('qos', `must be 1 or 2, not ${showValue(qos)}: others are not acknowledged`)
  const clientId = check.text('clientId')
  if (clientId !== undefined && !isText(clientId)) check.problem('clientId', 'must be a text that MQTT takes')
  const requireSubscriber = check.boolean('requireSubscriber', false)
  if (requireSubscriber && qos === 2) {
    check.problem(
      'requireSubscriber',
      'needs qos 1: with 2 servers need not know of subscribers, and Mosquitto does not',
    )
  }
  const seconds = { min: 1, max: 2 ** 32 - 1 }
  const resolved: ResolvedMqttOptions = {
    address: addressOf(check),
    connection: connectionOf(options.connection, check),
    client: clientOf(options, check),
    clientId,
    topic,
    qos,
    mode: check.oneOf('mode', 'structured', ['structured', 'binary']),
    retain: check.boolean('retain', false),
    expireAfter: options.expireAfter === undefined ? undefined : check.integer('expireAfter', 1, seconds),
    requireSubscriber,
    keepalive: check.integer('keepalive', 10, { min: 1, max: 65_535 }),
    connectTimeout: check.milliseconds('connectTimeout', 5_000),
    ackTimeout: check.milliseconds('ackTimeout', 10_000),
    maxInFlight: check.integer('maxInFlight', 1_000, { min: 1, max: 65_535 }),
    maxEventBytes: check.integer('maxEventBytes', 1_000_000, { min: 1_024, max: 256 * 1024 * 1024 }),
  }
  check.done()
  return Object.freeze(resolved)
}

function clientOf(options: MqttOptions, check: OptionCheck): MqttClient | undefined {
  const { client } = options
  if (client === undefined) return undefined
  if (!isMqttClient(client)) check.problem('client', 'must be an MqttClient of the package mqtt')
  else if (client.options.protocolVersion !== 5 || client.options.reconnectPeriod !== 0) {
    // It would publish again by itself what we have reported as not delivered, after events that came later.
    check.problem('client', 'must be made with protocolVersion: 5 and reconnectPeriod: 0')
  }
  for (const name of ['url', 'connection', 'clientId', 'keepalive', 'connectTimeout'] as const) {
    if (options[name] !== undefined) check.problem(name, 'has no effect beside client; leave one of them out')
  }
  return client
}
