import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { BroadcasterError } from '../../src/errors.ts'
import { groupMember } from '../../src/redis-streams/group.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { acknowledgeAll, idsOf, opened, publishedIds, take, wireEvents } from '../../src/testing/subscription/steps.ts'
import { RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { publishTo } from './publish-to.ts'

const skip = skipWithoutRedisServer()
const never = new AbortController().signal

describe('redisStreamsSubscription: what was missed, and who is gone', { skip }, () => {
  let server: RedisProcess
  let admin: Redis
  let made = 0
  before(async () => {
    server = await RedisProcess.start()
    admin = new Redis(server.port)
    admin.on('error', () => undefined)
  })
  after(async () => {
    admin?.disconnect()
    await server?.remove()
  })

  const newStream = () => `gap:${++made}`
  const subscribe = (stream: string, more: object = {}) =>
    redisStreamsSubscription({ url: server.url, stream, claimAfter: 1_000, ...more })

  /** Publishes so many, of which the stream keeps the last `keep`. */
  async function publish(stream: string, count: number, keep?: number) {
    const trim = keep === undefined ? false : { maxLength: keep, approximate: false }
    const backend = redisStreams({ url: server.url, stream, trim })
    const events = wireEvents(count)
    await publishTo(backend, events)
    await backend.close()
    return events
  }

  test('a consumer that comes too late tells how many entries are gone', async () => {
    const stream = newStream()
    const heard = Promise.withResolvers<unknown>()
    const stop = onSignal('consumer.gap', ({ consumer, subscription, error }) => {
      if (consumer === stream) heard.resolve({ subscription, ...fieldsOf(error as BroadcasterError) })
    })
    const events = await publish(stream, 250, 100)
    const handled: string[] = []
    const all = Promise.withResolvers<void>()
    const consumer = new Consumer({
      name: stream,
      subscription: subscribe(stream),
      inbox: false,
      handlers: {
        '*': ({ id }: { readonly id: string }) => {
          if (handled.push(id) === 100) all.resolve()
        },
      },
    })
    try {
      await consumer.start()
      assert.deepEqual(await heard.promise, {
        subscription: `redis-streams ${stream}`,
        code: 'MESSAGES_MISSED',
        value: 150,
      })
      await all.promise
      assert.deepEqual(new Set(handled), new Set(publishedIds(events).slice(150)))
    } finally {
      stop()
      await consumer.stop()
    }
  })

  test('a consumer that is overtaken tells so, once; one that keeps up has nothing to tell', async () => {
    const stream = newStream()
    const gaps: BroadcasterError[] = []
    const subscription = subscribe(stream)
    await subscription.open({ consumer: 'billing', onGap: (error) => void gaps.push(error) }, never)
    try {
      await publish(stream, 50, 100)
      await acknowledgeAll(await take(subscription, 50))
      await publish(stream, 50, 100)
      await acknowledgeAll(await take(subscription, 50))
      await publish(stream, 60, 100)
      await delay(1_000)
      assert.deepEqual(gaps.map(fieldsOf), [], 'what was trimmed had been read')
      await acknowledgeAll(await take(subscription, 60))
      await publish(stream, 130, 100)
      // Nobody receives meanwhile: the subscription looks by itself.
      const signal = AbortSignal.timeout(10_000)
      while (gaps.length === 0) {
        assert.ok(!signal.aborted, 'nothing was told')
        await delay(20)
      }
      // It goes on looking, and sees the same.
      await delay(1_000)
      assert.deepEqual(gaps.map(fieldsOf), [{ code: 'MESSAGES_MISSED', value: 30 }])
      await acknowledgeAll(await take(subscription, 100))
      await delay(1_000)
      assert.equal(gaps.length, 1)
    } finally {
      await subscription.close()
    }
  })

  test('members that died leave the group once others have what they held', async () => {
    const stream = newStream()
    const proxies = await Promise.all([0, 1, 2].map(() => StoppableProxy.to(server.port)))
    const events = await publish(stream, 6)
    for (const proxy of proxies) {
      const dying = await opened(subscribe(stream, { url: `redis://127.0.0.1:${proxy.port}` }))
      await take(dying, 2, { limit: 2 })
      // Its process is gone: it says no goodbye.
      await proxy.stop()
      await dying.close()
    }
    // Somebody else's member is none of our business, and keeps what it has.
    await admin.xgroup('CREATECONSUMER', stream, 'billing', 'theirs')
    const names = async () =>
      ((await admin.xinfo('CONSUMERS', stream, 'billing')) as unknown[][]).map(([, name]) => String(name))
    assert.equal((await names()).filter((name) => name.startsWith('broadcaster-')).length, 3)
    const living = await opened(subscribe(stream))
    try {
      const taken = await take(living, 6)
      assert.deepEqual(new Set(idsOf(taken)), new Set(publishedIds(events)))
      const signal = AbortSignal.timeout(10_000)
      while ((await names()).filter((name) => name.startsWith('broadcaster-')).length > 1) {
        assert.ok(!signal.aborted, (await names()).join())
        await living.receive(1, signal)
      }
      assert.ok((await names()).includes('theirs'))
      await acknowledgeAll(taken)
    } finally {
      await living.close()
    }
  })

  test('a member that holds something, or was heard of a while ago, is not dead', async () => {
    const stream = newStream()
    await publish(stream, 1)
    const run = (_key: string | undefined, [name, ...args]: readonly [string, ...string[]]) => admin.call(name, args)
    const member = groupMember(run, { stream, start: 'all' }, 'billing', 'broadcaster-me')
    await member.ensureGroup()
    await admin.xreadgroup('GROUP', 'billing', 'broadcaster-busy', 'COUNT', 1, 'STREAMS', stream, '>')
    for (const name of ['broadcaster-me', 'broadcaster-gone']) {
      await admin.xgroup('CREATECONSUMER', stream, 'billing', name)
    }
    const names = async () =>
      ((await admin.xinfo('CONSUMERS', stream, 'billing')) as unknown[][]).map(([, name]) => String(name)).sort()
    await delay(20)
    await member.removeDead(60_000)
    assert.deepEqual(await names(), ['broadcaster-busy', 'broadcaster-gone', 'broadcaster-me'])
    await member.removeDead(10)
    assert.deepEqual(await names(), ['broadcaster-busy', 'broadcaster-me'])
  })

  test("start: 'new': a group that is made again on a stream whose ids are lower than before begins at its first entry", async () => {
    const [stream, other] = [newStream(), newStream()]
    await publish(stream, 3)
    const proxy = await StoppableProxy.to(server.port)
    const subscription = await opened(subscribe(stream, { url: `redis://127.0.0.1:${proxy.port}`, start: 'new' }))
    try {
      await publish(stream, 1)
      await acknowledgeAll(await take(subscription, 1))
      await proxy.stop()
      await admin.del(stream)
      // As a Redis whose clock is behind numbers them.
      const between = await publish(other, 2)
      for (const [n, [, fields]] of (await admin.xrange(other, '-', '+')).entries()) {
        await admin.xadd(stream, `5-${n}`, ...fields)
      }
      await proxy.start()
      assert.deepEqual(idsOf(await take(subscription, 2)), publishedIds(between))
    } finally {
      await subscription.close()
      await proxy.stop()
    }
  })

  test("start: 'new': a group that is made again after Redis lost its data skips nothing that came in between", async () => {
    const stream = newStream()
    await publish(stream, 3)
    const proxy = await StoppableProxy.to(server.port)
    const subscription = await opened(subscribe(stream, { url: `redis://127.0.0.1:${proxy.port}`, start: 'new' }))
    try {
      await publish(stream, 4)
      const [first] = await take(subscription, 4)
      await first?.acknowledge()
      await proxy.stop()
      await admin.flushall()
      const between = await publish(stream, 5)
      await proxy.start()
      const came = await take(subscription, 5)
      assert.deepEqual(idsOf(came), publishedIds(between))
      await acknowledgeAll(came)
      // Deleted by somebody, with the stream still there: all since this member came.
      const missing = await publish(stream, 1)
      await admin.xgroup('DESTROY', stream, 'billing')
      assert.deepEqual(idsOf(await take(subscription, 6)), publishedIds([...between, ...missing]))
    } finally {
      await subscription.close()
      await proxy.stop()
    }
  })
})

function fieldsOf({ code, value }: BroadcasterError): { readonly code: string; readonly value: unknown } {
  return { code, value }
}
