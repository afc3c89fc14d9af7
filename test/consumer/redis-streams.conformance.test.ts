import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import {
  type RedisStreamsSubscriptionOptions,
  redisStreamsSubscription,
} from '../../src/redis-streams/redis-streams-subscription.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { type SubscriptionFixture, subscriptionConformance } from '../../src/testing/subscription-conformance.ts'
import { RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { publishTo } from './publish-to.ts'

const skip = skipWithoutRedisServer()
const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}
/** As short as it may be without being shorter than a hiccup of the machine. */
const CLAIM_AFTER = 3_000

/** A client that the subscription does not own, and how to close it. */
interface Injected {
  readonly client: NonNullable<RedisStreamsSubscriptionOptions['client']>
  close(): Promise<unknown>
}

let made = 0

async function fixture(
  server: RedisProcess,
  options: RedisStreamsSubscriptionOptions = {},
  inject?: () => Promise<Injected>,
): Promise<SubscriptionFixture> {
  const stream = `consuming:${++made}`
  const backend = redisStreams({ url: server.url, stream, trim: false })
  const admin = new Redis(server.port, { lazyConnect: true })
  admin.on('error', () => undefined)
  const subscriptions: Subscription[] = []
  const injected = await inject?.()
  return {
    subscribe() {
      const to = injected ? { client: injected.client } : { url: server.url }
      const subscription = redisStreamsSubscription({ ...to, stream, claimAfter: CLAIM_AFTER, ...options })
      subscriptions.push(subscription)
      return subscription
    },
    publish: (events) => publishTo(backend, events),
    async publishUnreadable(body) {
      await admin.xadd(stream, '*', 'cloud_event', body)
    },
    async deadLetters() {
      const entries = await admin.xrange(`${stream}:dead`, '-', '+')
      return entries.map(([, fields]) => {
        const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? ''
        return {
          body: Buffer.from(field('cloud_event')),
          consumer: field('broadcaster_consumer'),
          error: field('broadcaster_error'),
          attempts: Number(field('broadcaster_attempts')),
        }
      })
    },
    stopServer: () => server.stop(),
    startServer: () => server.start(),
    redeliverAfter: CLAIM_AFTER,
    async close() {
      for (const subscription of subscriptions) await subscription.close()
      await backend.close()
      admin.disconnect()
      await injected?.close()
    },
  }
}

/** Each way on a server of its own, which its cases stop: so all go on at once. */
const WAYS: Readonly<Record<string, (server: RedisProcess) => Promise<SubscriptionFixture>>> = {
  'its own connections': (server) => fixture(server),
  exclusive: (server) => fixture(server, { exclusive: true }),
  'node-redis injected': (server) =>
    fixture(server, {}, async () => {
      const client = createClient({ url: server.url })
      client.on('error', () => undefined)
      await client.connect()
      return { client, close: async () => client.destroy() }
    }),
  'ioredis injected': (server) =>
    fixture(server, {}, async () => {
      const client = new Redis(server.port)
      client.on('error', () => undefined)
      return { client, close: async () => client.disconnect() }
    }),
}

describe('redisStreamsSubscription', { skip, concurrency: true }, () => {
  for (const [name, open] of Object.entries(WAYS)) {
    // Its cases one after the other.
    describe(name, { concurrency: 1 }, () => {
      let server: RedisProcess
      before(async () => {
        server = await RedisProcess.start()
      })
      after(() => server?.remove())
      runConformance(runner, subscriptionConformance, () => open(server))
    })
  }
})
