import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  Broadcaster,
  BroadcasterError,
  Consumer,
  Inbox,
  onSignal,
  type SignalMessage,
  type Subscription,
} from 'ts-broadcaster'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { postgres } from 'ts-broadcaster/postgres'
import { redisStreamsSubscription } from 'ts-broadcaster/redis-streams'
import { sqlite } from 'ts-broadcaster/sqlite'
import { webhookReceiver } from 'ts-broadcaster/webhook'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { freePort, RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'

const handlers = { '*': () => undefined }
/** A start that waits where it should reject ends with its test. */
const limit = { timeout: 15_000 }

function databaseFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-start-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'a.db')
}

/** Resolves with the first error that this consumer tells of. */
function firstError(t: TestContext, name: string): Promise<SignalMessage<'consumer.error'>> {
  const { promise, resolve } = Promise.withResolvers<SignalMessage<'consumer.error'>>()
  t.after(onSignal('consumer.error', (message) => message.consumer === name && resolve(message)))
  return promise
}

function recordingLogger() {
  const lines: string[] = []
  return {
    lines,
    warn: (line: string) => void lines.push(`warn ${line}`),
    error: (line: string) => void lines.push(`error ${line}`),
  }
}

test('a database without the inbox: Consumer, receiver and inbox say so at once', limit, async (t) => {
  const store = sqlite({ path: databaseFile(t) })
  t.after(() => store.close())
  const missing = { code: 'SCHEMA_MISSING', message: /broadcaster migrate/ }
  const subscription = memorySubscription()
  const without = new Consumer({ name: 'no-schema', subscription, store, handlers, logger: false })
  t.after(() => without.stop())
  await assert.rejects(without.start(), missing)
  await assert.rejects(webhookReceiver({ name: 'no-schema', keys: false, store, handlers }).check(), missing)
  await assert.rejects(new Inbox({ store }).check(), missing)
  await store.schema.migrate()
  const consumer = new Consumer({ name: 'schema', subscription: memorySubscription(), store, handlers })
  await consumer.start()
  await consumer.stop()
  await webhookReceiver({ name: 'schema', keys: false, store, handlers }).check()
  await new Inbox({ store }).check()
  await webhookReceiver({ name: 'none', keys: false, inbox: false, handlers }).check()
})

test('a broker that is away at start is told of and waited for', {
  ...limit,
  skip: skipWithoutRedisServer(),
}, async (t) => {
  const redis = new RedisProcess(await freePort(), [])
  t.after(() => redis.kill())
  const name = 'early'
  const subscribe = () => redisStreamsSubscription({ url: redis.url, stream: 'events' })
  const logger = recordingLogger()
  const hasty = new Consumer({
    name: 'hasty',
    subscription: subscribe(),
    inbox: false,
    handlers,
    failFast: true,
    logger: false,
  })
  t.after(() => hasty.stop())
  await assert.rejects(hasty.start(), { code: 'SEND_OUTAGE' })

  const away = firstError(t, name)
  const consumer = new Consumer({ name, subscription: subscribe(), inbox: false, handlers, logger })
  const started = consumer.start()
  await away
  await redis.start()
  await started
  await consumer.stop()
  assert.match(logger.lines[0] ?? '', /^warn broadcaster: consumer early: /)
})

test('stop ends the waiting for a broker', { ...limit, skip: skipWithoutRedisServer() }, async (t) => {
  const name = 'stopped-early'
  const url = `redis://127.0.0.1:${await freePort()}`
  const subscription = redisStreamsSubscription({ url, stream: 'events' })
  const away = firstError(t, name)
  const consumer = new Consumer({ name, subscription, inbox: false, handlers, logger: false })
  const started = consumer.start()
  await away
  await consumer.stop()
  await started
})

test('stop ends the pause between two tries', limit, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const name = 'paused'
  const open = async () => {
    throw new BroadcasterError('SEND_OUTAGE', 'away')
  }
  const subscription = { ...memorySubscription(), open }
  const away = firstError(t, name)
  const consumer = new Consumer({ name, subscription, inbox: false, handlers, logger: false })
  const started = consumer.start()
  await away
  let stopped = false
  const stopping = consumer.stop().then(() => {
    stopped = true
  })
  for (let turn = 0; turn < 100 && !stopped; turn++) await new Promise(setImmediate)
  t.mock.timers.runAll()
  assert.ok(stopped, 'no time has passed')
  await Promise.all([stopping, started])
})

test('any error that time may mend is waited out, of an own subscription too', limit, async (t) => {
  const errors = [
    Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }),
    new BroadcasterError('TRANSACTION_CONFLICT', 'somebody else was first'),
  ]
  const { open } = memorySubscription()
  const subscription: Subscription = {
    ...memorySubscription(),
    async open(...given) {
      const error = errors.pop()
      if (error) throw error
      return open(...given)
    },
  }
  const consumer = new Consumer({ name: 'own', subscription, inbox: false, handlers, logger: false })
  t.after(() => consumer.stop())
  await consumer.start()
  assert.deepEqual(errors, [])
})

test('a database that is away at start is told of and waited for', {
  ...limit,
  skip: skipWithout('postgres'),
}, async (t) => {
  const url = new URL(servers.postgres()?.url ?? '')
  const place = openPlace(url.href, 2)
  const proxy = new StoppableProxy(Number(url.port || 5432))
  await proxy.start()
  await proxy.stop()
  t.after(() => proxy.stop())
  await postgres({ pool: place.pool, schema: place.schema }).schema.migrate()
  url.port = String(proxy.port)
  url.hostname = '127.0.0.1'
  const store = postgres({ url: url.href, schema: place.schema })
  const name = 'database-away'
  const away = firstError(t, name)
  const consumer = new Consumer({ name, subscription: memorySubscription(), store, handlers, logger: false })
  const started = consumer.start()
  const { error } = await away
  assert.equal((error as { readonly code?: string }).code, 'STORE_UNAVAILABLE')
  await proxy.start()
  await started
  await consumer.stop()
  await store.close()
  await place.close()
})

test('without a logger warnings go to standard error, with one they go there, and false is silence', async (t) => {
  const written: unknown[] = []
  const write = (line: unknown): void => void written.push(line)
  t.mock.method(console, 'warn', write)
  t.mock.method(console, 'error', write)
  const logger = recordingLogger()
  for (const [name, option] of [
    ['default', {}],
    ['chosen', { logger }],
    ['silent', { logger: false }],
  ] as const) {
    const subscription = memorySubscription()
    const consumer = new Consumer({
      name,
      subscription,
      inbox: false,
      maxRetries: 0,
      handlers: { '*': () => Promise.reject(new Error(`no\nsuch luck`)) },
      ...option,
    })
    await consumer.start()
    subscription.deliver({ specversion: '1.0', id: '1', source: '/s', type: 'order.created' })
    await subscription.settled()
    await consumer.stop()
  }
  assert.equal(written.length, 1, String(written))
  assert.match(String(written[0]), /consumer default GAVE UP order\.created 1: no such luck/)
  assert.equal(logger.lines.length, 1)
  assert.match(logger.lines[0] ?? '', /^error broadcaster: consumer chosen GAVE UP/)
})

test("a Broadcaster's worker writes there, too", async (t) => {
  const logger = recordingLogger()
  const failed = Promise.withResolvers<unknown>()
  t.after(onSignal('event.failed', (message) => message.outbox === 'logged' && failed.resolve(message)))
  const backend = { ...memoryBackend(), send: async () => [{ ok: false as const, error: new Error('no') }] }
  const broadcaster = new Broadcaster({ name: 'logged', store: memoryStore(), backends: { shop: backend }, logger })
  await broadcaster.transaction((tx) =>
    broadcaster.publish(tx, { type: 'order.created', source: '/s' }, { maxRetries: 0 }),
  )
  await broadcaster.processPendingEvents()
  await failed.promise
  await broadcaster.close()
  assert.match(logger.lines.join('\n'), /error broadcaster: order\.created \S+ FAILED for good at shop: no/)
})

test('an own backend that answers a health check with false is ill, and with nonsense, too', async () => {
  const answers: readonly (readonly [unknown, boolean])[] = [
    [false, false],
    [true, true],
    [undefined, false],
    [{ healthy: 'yes' }, false],
    [{ healthy: true, latency: 1 }, true],
  ]
  for (const [answer, healthy] of answers) {
    const backend = { ...memoryBackend(), healthCheck: async () => answer as never }
    const broadcaster = new Broadcaster({ store: memoryStore(), backends: { backend } })
    assert.equal((await broadcaster.getBackendHealth())['backend']?.healthy, healthy, String(answer))
    await broadcaster.close()
  }
})

test('a Broadcaster of wrong parts names all of them', () => {
  const store = memoryStore()
  const wrongs: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /options are undefined; give an object with store$/],
    [5, /options are 5/],
    [{}, /store is missing; give a store/],
    [{ store, backends: 5 }, /backends is 5; give backends by name/],
    [{ store, backends: { a: {} } }, /backends\.a has no send and no healthCheck and no close/],
    [{ store, backends: { a: { ...memoryBackend(), send: undefined } } }, /backends\.a has no send; give a backend/],
    [{ store, backends: { a: undefined } }, /backends\.a is undefined/],
    [{ store, backends: { ['x'.repeat(101)]: memoryBackend() } }, /does not name a backend/],
    [{ store, transaction: {}, backends: { a: memoryBackend() } }, /transaction has no check and no execute/],
    [{ store, backends: { a: memoryBackend() }, logger: {} }, /give an object with warn\(\) and error\(\)/],
  ]
  for (const [options, message] of wrongs) {
    assert.throws(() => new Broadcaster(options as never), { code: 'INVALID_OPTION', message })
  }
})
