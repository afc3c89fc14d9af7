import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { showWithoutSecrets } from '../../problem.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { OptionCheck } from '../option-check.ts'
import { type RedisClient, retriesByItself, runWith } from './client.ts'

export interface RedisStreamsOptions {
  /** `redis[s]://[[user]:password@]host[:port][/db]`; instead of host, port, db, username, password, tls. */
  readonly url?: string
  /** Default 'localhost'. */
  readonly host?: string
  /** Default 6379. */
  readonly port?: number
  /** Default 0. */
  readonly db?: number
  /** Default: none, which is Redis's user `default`. */
  readonly username?: string
  /** Default: none. */
  readonly password?: string
  /** True, or Node's TLS options. Default: true for a `rediss:` url, otherwise false. */
  readonly tls?: boolean | TlsOptions
  /** Redis Cluster: some of its nodes, as `host:port` or url. Instead of url, host, port and db. */
  readonly cluster?: { readonly nodes: readonly string[] }
  /**
   * A client of your own, which you open and close: node-redis (`createClient`, `createCluster`)
   * or ioredis (`Redis`, `Cluster`). It must not keep or repeat commands by itself: `disableOfflineQueue: true`, or
   * `enableOfflineQueue: false` and `autoResendUnfulfilledCommands: false`. Default: one is opened from the options.
   */
  readonly client?: RedisClient
  /** The stream, or a function that names it for each event. Default 'events'. */
  readonly stream?: string | ((event: OutboxEvent) => string)
  /**
   * What is dropped from the stream. `acknowledged`: what every consumer group has acknowledged, and nothing while there is no
   * group. Or all but the last entries, whether they were read or not. Default false = nothing.
   */
  readonly trim?: 'acknowledged' | RedisTrim | false
  /**
   * With `trim: 'acknowledged'`: a group that had something to read or acknowledge, and did neither for so long, keeps nothing
   * back any more; in milliseconds. Default 604800000 (seven days).
   */
  readonly groupExpiry?: number
  /**
   * How many replicas must have an event before it counts as delivered (`WAIT`), so that a failover to the replica that has
   * most loses none. Default 0: Redis's own answer is enough.
   */
  readonly replicas?: number
  /** Milliseconds. Default 5000. */
  readonly connectTimeout?: number
  /** How long a reply may take, in milliseconds. Default 5000. */
  readonly commandTimeout?: number
  /** The largest event, in bytes of its JSON. Default 8388608 (8 MiB). */
  readonly maxEventBytes?: number
}

/** Keep about the last `maxLength` entries, or those younger than `maxAge` ms by Redis's clock. */
export type RedisTrim = (
  | { readonly maxLength: number; readonly maxAge?: never }
  | { readonly maxAge: number; readonly maxLength?: never }
) & {
  /** Drop whole nodes of the stream only, which is much cheaper and keeps up to a few hundred entries more. Default true. */
  readonly approximate?: boolean
}

/** The trimming arguments of XADD. For MINID, `bound` is an age in milliseconds. */
export interface TrimClause {
  readonly kind: 'MAXLEN' | 'MINID'
  readonly operator: '~' | '='
  readonly bound: number
}

/** Where to connect. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: boolean | TlsOptions
  /** Not empty = a cluster. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
}

/** The options with all defaults. */
export interface ResolvedRedisStreamsOptions {
  readonly address: Address
  readonly client: RedisClient | undefined
  readonly stream: string | ((event: OutboxEvent) => string)
  readonly trim: TrimClause | undefined
  readonly trimsAcknowledged: boolean
  readonly groupExpiry: number
  readonly replicas: number
  readonly connectTimeout: number
  readonly commandTimeout: number
  readonly maxEventBytes: number
}

const NAMES = [
  'url',
  'host',
  'port',
  'db',
  'username',
  'password',
  'tls',
  'cluster',
  'client',
  'stream',
  'trim',
  'groupExpiry',
  'replicas',
  'connectTimeout',
  'commandTimeout',
  'maxEventBytes',
] as const satisfies readonly (keyof RedisStreamsOptions)[]

/** A value of JavaScript's string has at most 2^29 - 24 characters, and Redis's bulk string 512 MB. */
const MOST_BYTES = 2 ** 29 - 1024

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveOptions(options: RedisStreamsOptions): ResolvedRedisStreamsOptions {
  const check = new OptionCheck('redisStreams', options, NAMES)
  check.places('url', 'host', 'cluster', 'client')
  const resolved: ResolvedRedisStreamsOptions = {
    address: addressOf(options, check),
    client: options.client,
    stream: options.stream ?? 'events',
    trim: trimOf(options.trim, check),
    trimsAcknowledged: options.trim === 'acknowledged',
    groupExpiry: check.integer('groupExpiry', 7 * 24 * 3600 * 1000, { min: 1000, max: Number.MAX_SAFE_INTEGER }),
    replicas: check.integer('replicas', 0, { min: 0, max: 1000 }),
    connectTimeout: check.milliseconds('connectTimeout', 5_000),
    commandTimeout: check.milliseconds('commandTimeout', 5_000),
    maxEventBytes: check.integer('maxEventBytes', 8 * 1024 * 1024, { min: 1024, max: MOST_BYTES }),
  }
  if (typeof resolved.stream !== 'function') check.text('stream')
  if (options.groupExpiry !== undefined && options.trim !== 'acknowledged') {
    check.problem('groupExpiry', "has no effect without trim: 'acknowledged'")
  }
  if (options.client !== undefined) {
    for (const name of ['url', 'host', 'port', 'db', 'username', 'password', 'tls', 'cluster'] as const) {
      if (options[name] !== undefined) check.problem(name, 'has no effect beside client; leave one of them out')
    }
    runWith(options.client)
    if (resolved.replicas > 0 && 'isCluster' in options.client && options.client.isCluster) {
      check.problem('replicas', 'needs a client that asks the node that has the stream: one of node-redis, or our own')
    }
    const wrong = retriesByItself(options.client)
    if (wrong) check.problem('client', `${wrong}: the relay is the only one that repeats a send`)
  }
  check.done()
  return Object.freeze(resolved)
}

function addressOf(options: RedisStreamsOptions, check: OptionCheck): Address {
  const url = options.url === undefined ? undefined : URL.parse(options.url)
  if (options.url !== undefined && (url === null || !/^rediss?:$/.test(url?.protocol ?? ''))) {
    check.problem('url', 'must look like redis://user:password@host:6379/0, or rediss:// for TLS')
  }
  for (const [one, others] of EXCLUSIVE) {
    if (options[one] === undefined) continue
    for (const other of others) {
      if (options[other] !== undefined) check.problem(other, `is given twice: ${one} says it already`)
    }
  }
  if (options.cluster !== undefined && !Array.isArray(options.cluster?.nodes)) {
    check.problem('cluster', "must be { nodes: ['host:port', ...] }")
  }
  const decoded = (part: string | undefined): string | undefined => check.decoded('url', part)
  const host = check.text('host')
  const port = check.integer('port', 6379, { min: 1, max: 65_535 })
  const db = check.integer('db', 0, { min: 0, max: 2 ** 31 - 1 })
  return {
    host: url?.hostname.replace(/^\[|\]$/g, '') || host || 'localhost',
    port: url?.port ? Number(url.port) : port,
    db: url && /^\/\d+$/.test(url.pathname) ? Number(url.pathname.slice(1)) : db,
    username: decoded(url?.username) ?? check.text('username'),
    password: decoded(url?.password) ?? check.text('password'),
    tls: options.tls ?? url?.protocol === 'rediss:',
    nodes: (options.cluster?.nodes ?? []).map((node) => nodeOf(node, check)),
  }
}

const EXCLUSIVE = [
  ['url', ['host', 'port', 'db', 'username', 'password', 'cluster']],
  ['cluster', ['host', 'port', 'db']],
] as const satisfies readonly (readonly [keyof RedisStreamsOptions, readonly (keyof RedisStreamsOptions)[]])[]

function nodeOf(node: string, check: OptionCheck): { readonly host: string; readonly port: number } {
  const url = URL.parse(/^rediss?:\/\//.test(node) ? node : `redis://${node}`)
  if (url?.hostname) {
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 6379 : Number(url.port) }
  }
  check.problem('cluster', `has a node ${showWithoutSecrets(node)}, which is neither host:port nor a url`)
  return { host: '', port: 0 }
}

function trimOf(trim: RedisStreamsOptions['trim'], check: OptionCheck): TrimClause | undefined {
  if (trim === undefined || trim === false || trim === 'acknowledged') return undefined
  const { maxLength, maxAge, approximate = true }: Partial<RedisTrim> = trim ?? {}
  const bound = maxAge ?? maxLength
  const both = maxAge !== undefined && maxLength !== undefined
  if (both || bound === undefined || !Number.isSafeInteger(bound) || bound < 1 || typeof approximate !== 'boolean') {
    check.problem(
      'trim',
      "must be false, 'acknowledged', { maxLength: entries } or { maxAge: milliseconds }, with approximate if you like",
    )
  }
  return { kind: maxAge === undefined ? 'MAXLEN' : 'MINID', operator: approximate ? '~' : '=', bound: bound ?? 0 }
}
