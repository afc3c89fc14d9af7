import { OptionCheck } from '../../backend/option-check.ts'
import { type RedisClient, runWith } from '../../backend/redis-streams/client.ts'
import {
  type RedisStreamsOptions,
  type ResolvedRedisStreamsOptions,
  resolveOptions as resolveConnection,
} from '../../backend/redis-streams/options.ts'

type ConnectionOptions = Pick<
  RedisStreamsOptions,
  'url' | 'host' | 'port' | 'db' | 'username' | 'password' | 'tls' | 'cluster' | 'connectTimeout' | 'commandTimeout'
>

export interface RedisStreamsSubscriptionOptions extends ConnectionOptions {
  /**
   * A client of your own (node-redis or ioredis), which you open and close. It is never blocked: the stream is looked at
   * every 100 ms instead. Default: two connections are opened from the options.
   */
  readonly client?: RedisClient
  /** The stream. Default 'events'. */
  readonly stream?: string
  /** The consumer group, made when it is missing. Default: the consumer's name. */
  readonly group?: string
  /** Where a group that is made begins: with all that the stream has, or with what comes. Default 'all'. */
  readonly start?: 'all' | 'new'
  /**
   * After so long without a sign of life an entry is handed to another process, in milliseconds, 300 at least; we give one
   * three times as often. The same in all processes. Default 30000.
   */
  readonly claimAfter?: number
  /** One process at a time reads, the others stand by: keys keep their order whatever the number. Default false. */
  readonly exclusive?: boolean
  /** Where entries go that were given up. Default: the stream `<stream>:dead`, never trimmed. */
  readonly deadLetter?: { readonly stream?: string; readonly maxLength?: number }
}

/** The options with all defaults. */
export interface ResolvedRedisSubscriptionOptions {
  readonly connection: ResolvedRedisStreamsOptions
  readonly client: RedisClient | undefined
  readonly stream: string
  readonly group: string | undefined
  readonly start: 'all' | 'new'
  readonly claimAfter: number
  readonly exclusive: boolean
  readonly deadLetter: { readonly stream: string; readonly maxLength: number | undefined }
}

const CONNECTION = [
  'url',
  'host',
  'port',
  'db',
  'username',
  'password',
  'tls',
  'cluster',
  'connectTimeout',
  'commandTimeout',
] as const
const NAMES: readonly (keyof RedisStreamsSubscriptionOptions)[] = [
  ...CONNECTION,
  'client',
  'stream',
  'group',
  'start',
  'claimAfter',
  'exclusive',
  'deadLetter',
]

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: RedisStreamsSubscriptionOptions): ResolvedRedisSubscriptionOptions {
  const check = new OptionCheck('redisStreamsSubscription', options, NAMES)
  check.places('url', 'host', 'cluster', 'client')
  const { client, deadLetter = {} } = options
  if (client !== undefined) {
    runWith(client)
    for (const name of ['url', 'host', 'port', 'db', 'username', 'password', 'tls', 'cluster'] as const) {
      if (options[name] !== undefined) check.problem(name, 'has no effect beside client; leave one of them out')
    }
  }
  const stream = check.text('stream') ?? 'events'
  const { stream: dead = `${stream}:dead`, maxLength } = deadLetter
  for (const unknown of Object.keys(deadLetter).filter((each) => each !== 'stream' && each !== 'maxLength')) {
    check.problem('deadLetter', `has no option ${unknown}; its options are stream, maxLength`)
  }
  if (typeof dead !== 'string' || dead === '' || dead === stream) {
    check.problem('deadLetter', 'must have a stream of its own')
  }
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength > 0)) {
    check.problem('deadLetter', 'has a maxLength that is not a whole number of entries, 1 at least')
  }
  const settings = {
    client,
    stream,
    group: check.text('group'),
    start: check.oneOf('start', 'all', ['all', 'new']),
    claimAfter: check.integer('claimAfter', 30_000, { min: 300, max: 2 ** 31 - 1 }),
    exclusive: check.boolean('exclusive', false),
    deadLetter: { stream: dead, maxLength },
  }
  check.done()
  const given = CONNECTION.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const]))
  return Object.freeze({ ...settings, connection: resolveConnection(Object.fromEntries(given)) })
}
