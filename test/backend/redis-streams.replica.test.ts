import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { type RedisClient, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { sampleEvents } from '../../src/testing/sample-events.ts'
import { acknowledgeAll, idsOf, opened, publishedIds, take, wireEvents } from '../../src/testing/subscription/steps.ts'
import { publishTo } from '../consumer/publish-to.ts'
import { RedisPair } from './redis-pair.ts'
import { skipWithoutRedisServer } from './redis-process.ts'

const skip = skipWithoutRedisServer()
const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)

/** How the other side connects: by url, or with a client of the user's. */
type Connect = (url: string) => Promise<{ readonly client?: RedisClient; readonly end: () => void }>

const WAYS: Readonly<Record<string, Connect>> = {
  'a url': async () => ({ end: () => undefined }),
  'an own client of node-redis': async (url) => {
    const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 20 } })
    client.on('error', () => undefined)
    await client.connect()
    return { client, end: () => client.destroy() }
  },
  'an own client of ioredis': async (url) => {
    const client = new Redis(url, {
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      lazyConnect: true,
      retryStrategy: () => 20,
    })
    client.on('error', () => undefined)
    await client.connect()
    return { client, end: () => client.disconnect() }
  },
}

/** The old master lives on as a replica, and connections to it stay open: whoever stays there writes nothing again. */
describe('a Redis that became a replica is left', { skip }, () => {
  let pair: RedisPair
  beforeEach(async () => {
    if (skip === false) pair = await RedisPair.start()
  })
  afterEach(() => pair?.remove())

  for (const [way, connect] of Object.entries(WAYS)) {
    test(`by the backend, with ${way}`, async () => {
      const { client, end } = await connect(pair.url)
      const backend = redisStreams(client ? { client } : { url: pair.url })
      try {
        assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), ['ok', 'ok'])
        await pair.promote()
        const refused = await backend.send(sampleEvents(2), never)
        assert.deepEqual(new Set(refused.map(kindOf)), new Set(['outage']))
        assert.equal(await delivers(backend), true)
      } finally {
        await backend.close()
        end()
      }
    })

    test(`by the health check, which is what tests a backend that has nothing to send, with ${way}`, async () => {
      const { client, end } = await connect(pair.url)
      const backend = redisStreams(client ? { client } : { url: pair.url })
      try {
        assert.equal((await backend.healthCheck(never)).healthy, true)
        await pair.promote()
        const { healthy, detail } = await backend.healthCheck(never)
        assert.deepEqual({ healthy, detail }, { healthy: false, detail: 'this Redis is a read-only replica' })
        while (!(await backend.healthCheck(never)).healthy) await delay(20)
        assert.deepEqual((await backend.send(sampleEvents(1), never)).map(kindOf), ['ok'])
      } finally {
        await backend.close()
        end()
      }
    })

    test(`by the subscription, with ${way}`, async () => {
      const { client, end } = await connect(pair.url)
      const backend = redisStreams({ url: pair.url, stream: 'events' })
      const subscription = await opened(
        redisStreamsSubscription({ ...(client ? { client } : { url: pair.url }), stream: 'events', claimAfter: 2_000 }),
      )
      try {
        const events = wireEvents(20, 1)
        await publishTo(backend, events.slice(0, 10))
        const before = await take(subscription, 10)
        await acknowledgeAll(before)
        await pair.promote()
        await backend.send(sampleEvents(1), never)
        await publishTo(backend, events.slice(10))
        const after = await take(subscription, 10)
        assert.deepEqual(idsOf([...before, ...after]), publishedIds(events))
        await acknowledgeAll(after)
      } finally {
        await subscription.close()
        await backend.close()
        end()
      }
    })
  }

  test('replicas: an event that fewer replicas have is not delivered, with the script and without', async () => {
    const admin = new Redis(pair.master.port)
    await admin.call('ACL', 'SETUSER', 'plain', 'on', '>p', '~*', '+@all', '-@scripting')
    const plain = pair.url.replace('//', '//plain:p@')
    for (const url of [pair.url, plain]) {
      const enough = redisStreams({ url, replicas: 1 })
      const tooFew = redisStreams({ url, replicas: 2, timeout: 2_000 })
      try {
        assert.deepEqual((await enough.send(sampleEvents(3, 1), never)).map(kindOf), ['ok', 'ok', 'ok'])
        const results = await tooFew.send(sampleEvents(2), never)
        assert.deepEqual(results.map(kindOf), ['outage', 'outage'])
        assert.match(results[0]?.ok === false ? String(results[0].error) : '', /1 replicas of Redis have it, and not 2/)
      } finally {
        await enough.close()
        await tooFew.close()
      }
    }
    await admin.quit()
    const cluster = { isCluster: true, call: () => Promise.resolve(), options: {} } as unknown as RedisClient
    assert.throws(() => redisStreams({ client: cluster, replicas: 1 }), /replicas needs a client that asks the node/)
  })

  /** Whether it delivers again by itself; a client needs a moment to connect. */
  async function delivers(backend: Backend): Promise<boolean> {
    for (let n = 0; n < 100; n++) {
      if (kindOf((await backend.send(sampleEvents(1), never))[0]) === 'ok') return true
      await delay(20)
    }
    return false
  }
})
