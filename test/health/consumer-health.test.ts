import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Consumer, type Delivery, OutageError, type Subscription } from 'ts-broadcaster'
import { memoryStore } from 'ts-broadcaster/memory'
import { redisStreamsSubscription } from 'ts-broadcaster/redis-streams'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { servers, skipWithout } from '../support/servers.ts'

const FRESH = { maxAge: 0 }
const handlers = { '*': () => undefined }

/** A subscription without messages, whose broker is away when it is told so. */
function quietSubscription() {
  const broker = { away: false }
  const subscription: Subscription = {
    description: 'nothing',
    open: async () => undefined,
    async receive(_limit, signal): Promise<readonly Delivery[]> {
      if (broker.away) throw new OutageError('broker-3.internal is away')
      await sleep(5, undefined, { signal }).catch(() => undefined)
      return []
    },
    close: async () => undefined,
  }
  return { broker, subscription }
}

async function untilReady(consumer: Consumer, ready: boolean) {
  const end = performance.now() + 40_000
  for (;;) {
    const health = await consumer.health(FRESH)
    if (health.ready === ready) return health
    assert.ok(performance.now() < end, JSON.stringify(health))
    await sleep(5)
  }
}

test('a consumer: not started, receiving, its broker away, its database away, stopped', async () => {
  const store = memoryStore()
  const { broker, subscription } = quietSubscription()
  const consumer = new Consumer({ name: 'billing', subscription, store, handlers, logger: false })
  const fresh = await consumer.health(FRESH)
  assert.deepEqual([fresh.live, fresh.ready, fresh.checks.at(-1)?.detail], [true, false, 'is not started'])
  await consumer.start()
  const well = await consumer.health(FRESH)
  assert.deepEqual([well.live, well.ready, well.checks.map(({ kind }) => kind)], [true, true, ['database', 'consumer']])
  assert.equal(well.checks[0]?.name, `inbox of billing in ${store.description}`)
  broker.away = true
  const away = await untilReady(consumer, false)
  assert.equal(away.live, true)
  assert.match(away.checks.at(-1)?.detail ?? '', /^cannot receive: .*broker-3/)
  broker.away = false
  await untilReady(consumer, true)
  const { check } = store.schema
  store.schema.check = () => new Promise(() => undefined)
  const hanging = await consumer.health({ maxAge: 0, timeout: 20 })
  assert.deepEqual([hanging.live, hanging.ready], [true, false])
  store.schema.check = check
  await consumer.stop()
  const stopped = await consumer.health({ maxAge: 0, timeout: 20 })
  assert.deepEqual([stopped.live, stopped.ready, stopped.checks.at(-1)?.detail], [true, false, 'is stopped'])
})

test('a broker that falls silent: alive, not ready, and ready again by itself', {
  skip: skipWithout('redis'),
  timeout: 120_000,
}, async (t) => {
  const url = new URL(servers.redis()?.url ?? '')
  const admin = new Redis(url.href)
  const proxy = await StoppableProxy.to(Number(url.port || 6379))
  url.port = String(proxy.port)
  const stream = `health${randomBytes(5).toString('hex')}`
  const subscription = redisStreamsSubscription({ url: url.href, stream })
  const consumer = new Consumer({ name: 'billing', subscription, store: memoryStore(), handlers, logger: false })
  t.after(async () => {
    proxy.silence(false)
    await consumer.stop()
    await proxy.stop()
    await admin.del(stream)
    await admin.quit()
  })
  await consumer.start()
  await untilReady(consumer, true)
  proxy.silence('both')
  assert.equal((await untilReady(consumer, false)).live, true)
  proxy.cut()
  proxy.silence(false)
  await untilReady(consumer, true)
})

test('a subscription that never answers is not alive; a consumer without an inbox has no database', async (t) => {
  const { subscription } = quietSubscription()
  const asked = Promise.withResolvers<void>()
  subscription.receive = (_limit, signal) => {
    asked.resolve()
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve([])))
  }
  await using consumer = new Consumer({ name: 'deaf', subscription, inbox: false, handlers, logger: false })
  await consumer.start()
  await asked.promise
  assert.equal(consumer.liveness().live, true)
  const { now } = performance
  t.mock.method(performance, 'now', () => now.call(performance) + 600_000)
  const { live, ready, checks } = await consumer.health(FRESH)
  assert.deepEqual([live, ready, checks.map(({ kind }) => kind)], [false, false, ['consumer']])
  assert.match(checks[0]?.detail ?? '', /^hangs: the subscription does not answer/)
})
