// Redis Streams: the backend and the subscription.
export type { IoRedisClient, NodeRedisClient, NodeRedisCluster, RedisClient } from './redis-streams/client.ts'
export type { RedisStreamsOptions, RedisTrim } from './redis-streams/options.ts'
export { redisStreams } from './redis-streams/redis-streams.ts'
export { redisStreamsSubscription } from './redis-streams/redis-streams-subscription.ts'
export type { RedisStreamsSubscriptionOptions } from './redis-streams/subscription-options.ts'
