import { duration, flag, integer, nested, oneOf, text } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { addressOf, REDIS_CONNECTION, REDIS_PLACE, REDIS_STREAMS } from './options.ts'

export const REDIS_DEAD_LETTER = {
  /** The stream that keeps them. Default `<stream>:dead`. */
  stream: text(undefined),
  /** How many it keeps at least. Default: all. */
  maxLength: integer(undefined, { min: 1 }),
}

export const REDIS_STREAMS_SUBSCRIPTION = {
  ...REDIS_CONNECTION,
  /**
   * A client of your own (node-redis or ioredis), which you open and close. It is never used for blocking reads: the
   * stream is polled every 100 ms instead. Default: two connections are opened from the options.
   */
  client: REDIS_STREAMS.client,
  /** The stream. Default 'events'. */
  stream: text('events'),
  /** The consumer group, made when it is missing. Default: the consumer's name. */
  group: text(undefined),
  /** Where a group that is made begins: with all that the stream has, or with what comes. Default 'all'. */
  start: oneOf('all', 'all', 'new'),
  /**
   * An entry that its process has not renewed for this long, in milliseconds, goes to another one; at least 300; we
   * renew three times as often. Must be the same in all processes. Default 30000.
   */
  claimAfter: duration(30_000, { min: 300 }),
  /** One process at a time reads, the others stand by: keys keep their order whatever the number. Default false. */
  exclusive: flag(false),
  /** Where entries go that were given up. Default: the stream `<stream>:dead`, never trimmed. */
  deadLetter: nested(REDIS_DEAD_LETTER),
}
export type RedisStreamsSubscriptionOptions = OptionsOf<
  typeof REDIS_CONNECTION & Omit<typeof REDIS_STREAMS_SUBSCRIPTION, keyof typeof REDIS_CONNECTION>
>
export type ResolvedRedisSubscriptionOptions = ReturnType<typeof resolveSubscriptionOptions>

/** Checks the options and fills in the defaults. Throws `INVALID_OPTION` with every problem. */
export function resolveSubscriptionOptions(options: RedisStreamsSubscriptionOptions) {
  return readOptions('redisStreamsSubscription()', REDIS_STREAMS_SUBSCRIPTION, options, (read, { refuse, alone }) => {
    alone('client', REDIS_PLACE)
    alone('url', ['host', 'port', 'db', 'username', 'password', 'cluster'])
    alone('cluster', ['host', 'port', 'db'])
    const { client, stream, group, start, claimAfter, exclusive, deadLetter, connectTimeout, timeout } = read
    const { stream: dead = `${stream}:dead`, maxLength } = deadLetter
    if (dead === stream) refuse('deadLetter', 'must have a stream of its own')
    return {
      connection: { client, address: addressOf(read), connectTimeout, timeout },
      ...{ client, stream, group, start, claimAfter, exclusive },
      deadLetter: { stream: dead, maxLength },
    }
  })
}
