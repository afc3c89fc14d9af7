import { redisStreams } from '../../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../../src/redis-streams/redis-streams-subscription.ts'
import { RedisProcess, skipWithoutRedisServer } from '../../backend/redis-process.ts'
import type { FaultyBroker } from './broker.ts'

const stream = 'events'

export const broker: FaultyBroker = {
  title: 'Redis Streams',
  durability: '`appendonly yes`, `appendfsync always`',
  skip: skipWithoutRedisServer,
  async start() {
    const server = await RedisProcess.start('--appendfsync', 'always')
    return {
      address: { url: server.url },
      kill: () => server.kill(),
      restart: () => server.start(),
      remove: () => server.remove(),
    }
  },
  backend: ({ url = '' }) => redisStreams({ url, stream, trim: false }),
  subscription: ({ url = '' }) => redisStreamsSubscription({ url, stream, claimAfter: 2_000 }),
}
