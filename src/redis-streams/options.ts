import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { rateOption } from '../backend/rate.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { credential } from '../foundation/credential.ts'
import {
  byDefault,
  bytes,
  duration,
  flag,
  integer,
  nested,
  option,
  optional,
  or,
  parsed,
  place,
  required,
  secret,
  text,
} from '../foundation/option-kinds.ts'
import { type OptionsOf, type ResolvedOf, readOptions } from '../foundation/option-table.ts'
import { tlsOption } from '../foundation/tls-option.ts'
import { type UrlParts, urlParts } from '../foundation/url-parts.ts'
import { isRedisClient, type RedisClient, retriesByItself } from './client.ts'

export interface Node {
  readonly host: string
  readonly port: number
}

export const REDIS_CLUSTER = {
  /** Some of its nodes, as `host:port` or url; one is needed. */
  nodes: required(
    parsed<readonly string[], readonly Node[] | undefined>('a list of host:port or urls', undefined, (value) => {
      const nodes = Array.isArray(value) ? value.map(nodeOf) : []
      return nodes.length > 0 && nodes.every((node) => node !== undefined) ? nodes : undefined
    }),
  ),
}

/** Where Redis is, and as whom; shared by backend and subscription. */
export const REDIS_CONNECTION = {
  /**
   * `redis[s]://[[user]:password@]host[:port][/db]`, instead of host, port, db, username, password and cluster.
   * Default: by those.
   */
  url: place(
    parsed<string, UrlParts | undefined>(
      'redis://user:password@host:6379/0, or rediss:// for TLS, with special characters percent-encoded',
      undefined,
      (value) => urlParts(value, ['redis', 'rediss']),
    ),
  ),
  /** Default 'localhost'. */
  host: place(text('localhost')),
  /** Default 6379. */
  port: integer(6379, { min: 1, max: 65_535 }),
  /** The number of the database. Default 0. */
  db: integer(0, { min: 0, max: 2 ** 31 - 1 }),
  /** Default: none, which is Redis's user `default`. */
  username: credential(text(undefined)),
  /** Default: none. */
  password: credential(secret(text(undefined))),
  /** True, or Node's TLS options. Default: true for a `rediss:` url, otherwise false. */
  tls: tlsOption(undefined),
  /** Redis Cluster. Instead of url, host, port and db. Default: one server. */
  cluster: place(optional(nested(REDIS_CLUSTER))),
  /** How long connecting may take, in milliseconds. Default 5000. */
  connectTimeout: duration(5_000),
  /** How long a reply may take, in milliseconds. Default 5000. */
  timeout: duration(5_000),
}

/** What a client of your own knows already. */
export const REDIS_PLACE = ['url', 'host', 'port', 'db', 'username', 'password', 'tls', 'cluster'] as const

const client = place(
  option<RedisClient, RedisClient | undefined>(
    'a node-redis client or cluster (it has sendCommand) or an ioredis one (it has call)',
    undefined,
    isRedisClient,
  ),
)

/** Keep about the last `maxLength` entries, or those younger than `maxAge`. */
export const REDIS_TRIM = {
  /** How many entries. Default: as many as `maxAge` says. */
  maxLength: integer(undefined, { min: 1 }),
  /** How long entries are kept, by Redis's clock, in milliseconds. Default: as many as `maxLength` says. */
  maxAge: duration(undefined, { min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** Drop only whole nodes of the stream: much cheaper, and keeps up to a few hundred entries more. Default true. */
  approximate: flag(true),
}
/** What is kept in a stream: about the last `maxLength` entries, or those younger than `maxAge`. */
export type RedisTrim = OptionsOf<typeof REDIS_TRIM>

/** The trimming arguments of XADD. For MINID, `bound` is an age in milliseconds. */
export interface TrimClause {
  readonly kind: 'MAXLEN' | 'MINID'
  readonly operator: '~' | '='
  readonly bound: number
}

/** A JavaScript string has at most 2^29 - 24 characters, a Redis bulk string 512 MB. */
const MOST_BYTES = 2 ** 29 - 1024

export const REDIS_STREAMS = {
  ...REDIS_CONNECTION,
  /**
   * A client of your own, which you open and close: node-redis (`createClient`, `createCluster`) or ioredis (`Redis`,
   * `Cluster`). It must not queue or resend commands by itself: `disableOfflineQueue: true`, or
   * `enableOfflineQueue: false` and `autoResendUnfulfilledCommands: false`. Default: one is opened from the options.
   */
  client,
  /** The stream, or a function that names it for each event. Default 'events'. */
  stream: option<string | ((event: OutgoingEvent) => string)>(
    'a text that is not empty and well-formed, or a function',
    'events',
    (value) => {
      return typeof value === 'function' || (typeof value === 'string' && value !== '' && value.isWellFormed())
    },
  ),
  /**
   * What is dropped from the stream. `acknowledged`: what every consumer group has acknowledged, and nothing while
   * there is no group. Or all but the latest entries, read or not. Default false = nothing.
   */
  trim: byDefault(false, or(nested(REDIS_TRIM), 'acknowledged', false)),
  /**
   * With `trim: 'acknowledged'`: after how long, in milliseconds, a group that has something to read or acknowledge and
   * does neither no longer keeps entries from being trimmed. Default 604800000 (seven days).
   */
  groupExpiry: duration(7 * 24 * 3600 * 1000, { min: 1000, max: Number.MAX_SAFE_INTEGER }),
  /**
   * How many replicas must have an event before it counts as delivered (`WAIT`), so that a failover to the most
   * advanced replica loses none. Default 0: Redis's own answer is enough.
   */
  replicas: integer(0, { min: 0, max: 1000 }),
  /** The largest event, in bytes of its JSON. Default 8388608 (8 MiB). */
  maxEventBytes: bytes(8 * 1024 * 1024, { min: 1024, max: MOST_BYTES }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type RedisStreamsOptions = OptionsOf<typeof REDIS_STREAMS>
export type ResolvedRedisStreamsOptions = ReturnType<typeof resolveOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: RedisStreamsOptions) {
  return readOptions('redisStreams()', REDIS_STREAMS, options, (read, check) => {
    const { given, refuse, alone } = check
    if (given.groupExpiry !== undefined && read.trim !== 'acknowledged') {
      refuse('groupExpiry', "has no effect without trim: 'acknowledged'")
    }
    checkTrim(read.trim, (message) => refuse('trim', message))
    alone('client', REDIS_PLACE)
    if (read.client) checkClient(read.client, read.replicas, refuse)
    alone('url', ['host', 'port', 'db', 'username', 'password', 'cluster'])
    alone('cluster', ['host', 'port', 'db'])
    const { stream, groupExpiry, replicas, connectTimeout, timeout, maxEventBytes, rate } = read
    return {
      ...{ client: read.client, address: addressOf(read), connectTimeout, timeout },
      ...{ stream, groupExpiry, replicas, maxEventBytes, rate },
      trim: clauseOf(read.trim),
      trimsAcknowledged: read.trim === 'acknowledged',
    }
  })
}

/** Where to connect, and for how long to wait. */
export type ResolvedRedisConnection = Pick<
  ResolvedRedisStreamsOptions,
  'client' | 'address' | 'connectTimeout' | 'timeout'
>

/** Where to connect. */
export interface Address extends Node {
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: boolean | TlsOptions
  /** Not empty = a cluster. */
  readonly nodes: readonly Node[]
}

export function addressOf(read: ResolvedOf<typeof REDIS_CONNECTION>): Address {
  const { url, cluster, tls = url?.scheme === 'rediss' } = read
  return {
    host: url?.host || read.host,
    port: url?.port ?? read.port,
    db: url && /^\/\d+$/.test(url.path) ? Number(url.path.slice(1)) : read.db,
    username: url?.username ?? read.username,
    password: url?.password ?? read.password,
    tls,
    nodes: cluster?.nodes ?? [],
  }
}

function nodeOf(node: unknown): Node | undefined {
  const schemes = ['redis', 'rediss']
  const url = urlParts(/^rediss?:\/\//.test(String(node)) ? node : `redis://${node}`, schemes)
  return url?.host ? { host: url.host, port: url.port ?? 6379 } : undefined
}

function checkClient(
  client: RedisClient,
  replicas: number,
  refuse: (name: 'client' | 'replicas', message: string) => void,
): void {
  if (replicas > 0 && 'isCluster' in client && client.isCluster) {
    refuse('replicas', 'needs a client that asks the node that has the stream: one of node-redis, or our own')
  }
  const wrong = retriesByItself(client)
  if (wrong) refuse('client', `${wrong}: the relay is the only one that repeats a send`)
}

type ReadTrim = ResolvedOf<typeof REDIS_STREAMS>['trim']

function checkTrim(trim: ReadTrim, refuse: (message: string) => void): void {
  if (trim === false || trim === 'acknowledged') return
  if ((trim.maxAge === undefined) === (trim.maxLength === undefined)) refuse('needs one of maxLength and maxAge')
}

function clauseOf(trim: ReadTrim): TrimClause | undefined {
  if (trim === false || trim === 'acknowledged') return undefined
  const { maxLength = 0, maxAge, approximate } = trim
  return {
    kind: maxAge === undefined ? 'MAXLEN' : 'MINID',
    operator: approximate ? '~' : '=',
    bound: maxAge ?? maxLength,
  }
}
