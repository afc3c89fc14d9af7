import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { type GroupCommand, groupMember } from '../../src/redis-streams/group.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import {
  type RedisStreamsSubscriptionOptions,
  redisStreamsSubscription,
} from '../../src/redis-streams/redis-streams-subscription.ts'
import { resolveSubscriptionOptions } from '../../src/redis-streams/subscription-options.ts'
import {
  acknowledgeAll,
  idsOf,
  opened,
  publishedIds,
  take,
  takeFor,
  wireEvents,
} from '../../src/testing/subscription/steps.ts'
import { RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { publishTo } from './publish-to.ts'

const skip = skipWithoutRedisServer()
const CLAIM_AFTER = 1_500

interface Place {
  readonly stream: string
  readonly admin: Redis
  /** The way of one subscription to Redis, to be cut. */
  readonly proxy: StoppableProxy
  subscribe(options?: RedisStreamsSubscriptionOptions): Subscription
  /** One that goes through the proxy. */
  subscribeBehindProxy(options?: RedisStreamsSubscriptionOptions): Subscription
  publish(events: ReturnType<typeof wireEvents>): Promise<void>
}

describe('redisStreamsSubscription', { skip }, () => {
  let server: RedisProcess
  let made = 0
  before(async () => {
    server = await RedisProcess.start()
  })
  after(() => server?.remove())

  async function place(work: (place: Place) => Promise<void>): Promise<void> {
    const stream = `consuming:${++made}`
    const backend = redisStreams({ url: server.url, stream, trim: false })
    const admin = new Redis(server.port)
    const proxy = await StoppableProxy.to(server.port)
    const subscriptions: Subscription[] = []
    const subscribe = (url: string, options: RedisStreamsSubscriptionOptions): Subscription => {
      const subscription = redisStreamsSubscription({
        ...(options.client === undefined && { url }),
        stream,
        claimAfter: CLAIM_AFTER,
        ...options,
      })
      subscriptions.push(subscription)
      return subscription
    }
    try {
      await work({
        stream,
        admin,
        proxy,
        subscribe: (options = {}) => subscribe(server.url, options),
        subscribeBehindProxy: (options = {}) => subscribe(`redis://127.0.0.1:${proxy.port}`, options),
        publish: (events) => publishTo(backend, events),
      })
    } finally {
      for (const subscription of subscriptions) await subscription.close()
      await backend.close()
      await proxy.stop()
      admin.disconnect()
    }
  }

  test('what a consumer that is gone held is claimed by another one, in order', () =>
    place(async ({ subscribe, subscribeBehindProxy, publish, proxy }) => {
      const gone = await opened(subscribeBehindProxy())
      const events = wireEvents(20, 1)
      await publish(events)
      const held = await take(gone, 12)
      await acknowledgeAll(held.slice(0, 2))
      await proxy.stop()
      const next = await opened(subscribe())
      const rest = await take(next, 8)
      assert.deepEqual(idsOf(rest), publishedIds(events).slice(12))
      const claimed = await take(next, 10)
      assert.deepEqual(idsOf(claimed), publishedIds(events).slice(2, 12))
      assert.ok(claimed.every(({ count }) => count === 2))
      assert.ok(
        held.slice(2).every(({ lost }) => lost?.aborted),
        'who was cut off knows it',
      )
      await assert.rejects(async () => held[5]?.acknowledge(), { code: 'CLOSED' })
      await acknowledgeAll([...rest, ...claimed])
    }))

  test('exclusive: the next reader gets what the last one held before anything new', () =>
    place(async ({ subscribe, subscribeBehindProxy, publish, proxy }) => {
      const first = await opened(subscribeBehindProxy({ exclusive: true }))
      assert.deepEqual(await first.receive(1, AbortSignal.timeout(50)), [])
      const second = await opened(subscribe({ exclusive: true }))
      const events = wireEvents(20, 1)
      await publish(events)
      const held = await take(first, 12)
      await acknowledgeAll(held.slice(0, 2))
      assert.deepEqual(idsOf(await takeFor(second, CLAIM_AFTER * 2)), [], 'it stands by while the first lives')
      await proxy.stop()
      const all = await take(second, 18)
      assert.deepEqual(idsOf(all), publishedIds(events).slice(2))
      assert.ok(held.slice(2).every(({ lost }) => lost?.aborted))
      await acknowledgeAll(all)
      await proxy.start()
      assert.deepEqual(idsOf(await takeFor(first, CLAIM_AFTER)), [], 'now the first stands by')
    }))

  test('exclusive: a clean close hands over at once', () =>
    place(async ({ subscribe, publish }) => {
      const options = { exclusive: true, claimAfter: 60_000 }
      const first = await opened(subscribe(options))
      const events = wireEvents(5, 1)
      await publish(events)
      await acknowledgeAll((await take(first, 3)).slice(0, 1))
      const second = await opened(subscribe(options))
      await first.close()
      const rest = await take(second, 4)
      assert.deepEqual(idsOf(rest), publishedIds(events).slice(1))
      await acknowledgeAll(rest)
    }))

  test('a clean close gives back what was in hand before an outage', () =>
    place(async ({ subscribe, subscribeBehindProxy, publish, proxy }) => {
      const patient = { claimAfter: 60_000 }
      const first = await opened(subscribeBehindProxy(patient))
      const events = wireEvents(6, 1)
      await publish(events)
      await take(first, 4)
      await proxy.stop()
      await assert.rejects(first.receive(1, AbortSignal.timeout(5_000)), { code: 'SEND_OUTAGE' })
      await proxy.start()
      await first.close()
      const again = await take(await opened(subscribe(patient)), 6)
      assert.deepEqual(idsOf(again), publishedIds(events))
      await acknowledgeAll(again)
    }))

  test('more than 10,000 in hand are kept, counted and given back, all of them', () =>
    place(async ({ stream, admin }) => {
      const run: GroupCommand = (_key, args) => admin.call(...args)
      const member = groupMember(run, resolveSubscriptionOptions({ url: server.url, stream }), 'billing', 'one')
      await member.ensureGroup()
      const entries = admin.pipeline()
      for (let n = 0; n < 10_001; n++) entries.xadd(stream, '*', 'cloud_event', '{}')
      await entries.exec()
      const ids = (await member.readNew(run, 10_001, 0)).map(({ id }) => id)
      assert.equal(ids.length, 10_001)
      assert.deepEqual([...(await member.keep(() => true))], ids)
      // Read once more, each is counted once more, the last as the first.
      const again = await member.readOwn(10_001, '0')
      assert.deepEqual(
        again.filter(({ count }) => count !== 2),
        [],
      )
      await member.leave()
      const next = groupMember(run, resolveSubscriptionOptions({ url: server.url, stream }), 'billing', 'two')
      const claimed = await next.claim(10_001, 60_000, '0-0')
      assert.deepEqual(
        claimed.entries.map(({ id }) => id),
        ids,
      )
    }))

  test('what is released while signs of life are given stays released', () =>
    place(async ({ stream, admin }) => {
      const run: GroupCommand = (_key, args) => admin.call(...args)
      const options = resolveSubscriptionOptions({ url: server.url, stream })
      const member = groupMember(run, options, 'billing', 'one')
      await member.ensureGroup()
      for (let n = 0; n < 2; n++) await admin.xadd(stream, '*', 'cloud_event', '{}')
      const [first = '', second = ''] = (await member.readNew(run, 2, 0)).map(({ id }) => id)
      const inHand = new Set([first, second])
      const interrupted: GroupCommand = async (key, args) => {
        const reply = await run(key, args)
        if (args[0] === 'XPENDING' && inHand.delete(first)) await member.release([first])
        return reply
      }
      const disturbed = groupMember(interrupted, options, 'billing', 'one')
      assert.deepEqual([...(await disturbed.keep((id) => inHand.has(id)))], [second])
      const next = groupMember(run, options, 'billing', 'two')
      assert.deepEqual(
        (await next.claim(2, 60_000, '0-0')).entries.map(({ id }) => id),
        [first],
      )
    }))

  test('a group that was deleted is made again, with all that the stream has', () =>
    place(async ({ subscribe, publish, admin, stream }) => {
      const subscription = await opened(subscribe())
      const events = wireEvents(3)
      await publish(events)
      await acknowledgeAll(await take(subscription, 3))
      await admin.xgroup('DESTROY', stream, 'billing')
      assert.deepEqual(idsOf(await take(subscription, 3)), publishedIds(events))
    }))

  test('an entry that was trimmed while somebody held it is told of, and can be given up', () =>
    place(async ({ subscribe, subscribeBehindProxy, publish, proxy, admin, stream }) => {
      const gone = await opened(subscribeBehindProxy())
      await publish(wireEvents(2))
      await take(gone, 2)
      await proxy.stop()
      await admin.xtrim(stream, 'MAXLEN', 0)
      const next = await opened(subscribe())
      const trimmed = await take(next, 2)
      for (const delivery of trimmed) {
        assert.equal(delivery.event, undefined)
        assert.match(String(delivery.problem), /trimmed/)
        await delivery.deadLetter({ consumer: 'billing', error: delivery.problem, attempts: 0 })
      }
      assert.equal(await admin.xlen(`${stream}:dead`), 2)
      assert.deepEqual(await takeFor(next, CLAIM_AFTER), [])
    }))

  test('an entry without an event is told of', () =>
    place(async ({ subscribe, admin, stream }) => {
      await admin.xadd(stream, '*', 'hello', 'cloud_event')
      const [delivery] = await take(await opened(subscribe()), 1)
      assert.match(String(delivery?.problem), /no field cloud_event/)
      await delivery?.acknowledge()
    }))

  test('begins with what comes, if told so; leaves no consumer behind', () =>
    place(async ({ subscribe, publish, admin, stream }) => {
      await publish(wireEvents(3))
      const subscription = await opened(subscribe({ start: 'new', group: 'fresh' }))
      const later = wireEvents(2)
      await publish(later)
      const [first, ...more] = await take(subscription, 2)
      assert.deepEqual(idsOf(first ? [first, ...more] : []), publishedIds(later))
      await first?.acknowledge()
      await subscription.close()
      const consumers = (await admin.xinfo('CONSUMERS', stream, 'fresh')) as unknown[][]
      assert.deepEqual(
        consumers.map(([, name]) => name),
        ['released'],
        'what was not acknowledged waits for whoever comes',
      )
      assert.deepEqual(idsOf(await take(await opened(subscribe({ group: 'fresh' })), 1)), publishedIds(later).slice(1))
    }))

  test('a dead letter that cannot be acknowledged is lost here, and comes again', () =>
    place(async ({ subscribe, publish, admin, stream }) => {
      let failures = 1
      const client = {
        call: async (command: string, args: string[]) => {
          if (command === 'XACK' && failures-- > 0) {
            throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
          }
          return admin.call(command, args)
        },
      }
      const subscription = await opened(subscribe({ client }))
      const events = wireEvents(2, 1)
      await publish(events)
      const [first, second] = await take(subscription, 2)
      const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
      await assert.rejects(async () => first?.deadLetter(reason), { code: 'SEND_OUTAGE' })
      assert.equal(first?.lost?.aborted, true, 'who holds it knows')
      assert.equal(second?.lost?.aborted, false)
      const again = await take(subscription, 1)
      assert.deepEqual(idsOf(again), publishedIds(events).slice(0, 1))
      await again[0]?.deadLetter(reason)
      await second?.acknowledge()
      assert.equal((await admin.xpending(stream, 'billing'))[0], 0)
    }))

  test('a stream of dead letters that does not take the letter keeps the message in hand', () =>
    place(async ({ subscribe, publish, admin, stream }) => {
      const bin = `${stream}:bin`
      const subscription = await opened(subscribe({ deadLetter: { stream: bin } }))
      await publish(wireEvents(1))
      const [delivery] = await take(subscription, 1)
      await admin.set(bin, 'text')
      const reason = { consumer: 'billing', error: new Error('no'), attempts: 1 }
      await assert.rejects(async () => delivery?.deadLetter(reason), { code: 'SEND_OUTAGE' })
      assert.equal((await admin.xpending(stream, 'billing'))[0], 1)
      await admin.del(bin)
      await delivery?.deadLetter(reason)
      assert.equal((await admin.xpending(stream, 'billing'))[0], 0)
      assert.equal(await admin.xlen(bin), 1)
    }))

  test('a key that is no stream is an outage', () =>
    place(async ({ subscribe, admin, stream }) => {
      await admin.set(stream, 'text')
      await assert.rejects(opened(subscribe()), { code: 'SEND_OUTAGE' })
    }))

  test('dead letters are trimmed, if told so', () =>
    place(async ({ subscribe, publish, admin, stream }) => {
      const subscription = await opened(subscribe({ deadLetter: { stream: `${stream}:bin`, maxLength: 1 } }))
      await publish(wireEvents(300))
      const deliveries = await take(subscription, 300)
      for (const delivery of deliveries) {
        await delivery.deadLetter({ consumer: 'billing', error: new Error('no'), attempts: 1 })
      }
      const left = await admin.xlen(`${stream}:bin`)
      assert.ok(left < 300, `${left} left`)
    }))
})

test('redisStreamsSubscription refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): string => {
    try {
      redisStreamsSubscription(options as RedisStreamsSubscriptionOptions)
    } catch (error) {
      return String(error)
    }
    return assert.fail('accepted')
  }
  const said = refused({ strem: 'x', claimAfter: 5, start: '$', deadLetter: { stream: 'events', max: 1 } })
  for (const part of [
    /did you mean "stream"/,
    /claimAfter is 5; give milliseconds from 300/,
    /start is "\$"; give 'all' or 'new'/,
    /deadLetter.max is not an option/,
  ]) {
    assert.match(said, part)
  }
  assert.match(refused({ deadLetter: { stream: 'events' } }), /deadLetter must have a stream of its own/)
  assert.match(refused({ client: {} }), /client is an object; give a node-redis client/)
  assert.match(refused({ client: { call: () => undefined }, url: 'redis://x' }), /url has no effect beside client/)
})
