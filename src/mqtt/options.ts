import { rateOption } from '../backend/rate.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { bytes, duration, flag, integer, oneOf, option, place, secret } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { addressOption, connectionOption } from './address.ts'
import { isMqttClient, type MqttClient } from './client.ts'
import { isText } from './mqtt-string.ts'
import { isTopic } from './topic.ts'

/** Where the server is, and for how long to wait; shared by backend and subscription. */
export const MQTT_CONNECTION = {
  /** `mqtt[s]://[user:password@]host[:port]`, or `ws[s]://...`. Default 'mqtt://127.0.0.1:1883'. */
  url: place(addressOption),
  /** More options for `connect` of the package `mqtt`: `ca`, `cert`, `key`, `will`, `wsOptions`, ... Default: none. */
  connection: connectionOption,
  /** After this many seconds of silence we ask the server for a sign of life. Default 10. */
  keepalive: integer(10, { min: 1, max: 65_535 }),
  /** How long the server may take to accept the connection, in milliseconds. Default 5000. */
  connectTimeout: duration(5_000),
  /** How long an acknowledgement, or any other answer, may take, in milliseconds. Default 10000. */
  timeout: duration(10_000),
}

const SECONDS = { min: 1, max: 2 ** 32 - 1 }

export const MQTT = {
  ...MQTT_CONNECTION,
  /**
   * A client of your own, which you connect and end, made with `protocolVersion: 5` and `reconnectPeriod: 0`. When it
   * has lost its connection, every event is an outage. Default: one is made from the options, and again after it was
   * lost.
   */
  client: place(
    secret(option<MqttClient, MqttClient | undefined>('an MqttClient of the package mqtt', undefined, isMqttClient)),
  ),
  /** The client id; a second connection with the same one ends the first. Default: a new random one each time. */
  clientId: option<string, string | undefined>('a text that MQTT takes', undefined, (value) => {
    return isText(value) && value !== ''
  }),
  /**
   * The topic, in which `{type}` stands for the event's type with `/` for its dots, or a function that names it.
   * Default 'events/{type}'.
   */
  topic: option<string | ((event: OutgoingEvent) => string)>(
    'a function, or a topic without wildcards',
    'events/{type}',
    (value) => typeof value === 'function' || (typeof value === 'string' && isTopic(value.replaceAll('{type}', 'x'))),
  ),
  /** 1: the server has the message at least once. 2: once for each time that we publish it. Default 1. */
  qos: oneOf(1, 1, 2),
  /** `structured`: the whole event as JSON. `binary`: attributes as user properties. Default 'structured'. */
  mode: oneOf('structured', 'structured', 'binary'),
  /** Whether the server keeps the last message of each topic for those who subscribe later. Default false. */
  retain: flag(false),
  /** The server drops what it could not deliver within this time, in seconds. Default: never. */
  expireAfter: integer(undefined, SECONDS),
  /** An event without a subscriber is a failure; only with QoS 1. Default false. */
  requireSubscriber: flag(false),
  /** How many messages may wait for their acknowledgement at once; the server may allow fewer. Default 1000. */
  concurrency: integer(1_000, { min: 1, max: 65_535 }),
  /** The largest event, in bytes of its JSON. Default 1000000. */
  maxEventBytes: bytes(1_000_000, { min: 1_024, max: 256 * 1024 * 1024 }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type MqttOptions = OptionsOf<typeof MQTT>
export type ResolvedMqttOptions = ReturnType<typeof resolveOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: MqttOptions) {
  return readOptions('mqtt()', MQTT, options, (read, { refuse, alone }) => {
    const { url: address, ...others } = read
    alone('client', ['url', 'connection', 'clientId', 'keepalive', 'connectTimeout'])
    const { protocolVersion, reconnectPeriod } = read.client?.options ?? { protocolVersion: 5, reconnectPeriod: 0 }
    // It would publish again by itself what we have reported as not delivered, after later events.
    if (protocolVersion !== 5 || reconnectPeriod !== 0) {
      refuse('client', 'must be made with protocolVersion: 5 and reconnectPeriod: 0')
    }
    if (read.requireSubscriber && read.qos === 2) {
      refuse('requireSubscriber', 'needs qos 1: with 2 servers need not know of subscribers, and Mosquitto does not')
    }
    return { ...others, address }
  })
}
