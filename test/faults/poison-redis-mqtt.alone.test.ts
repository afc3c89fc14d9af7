import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { connectAsync } from 'mqtt'
import type { Backend } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { mqttSubscription } from '../../src/mqtt/mqtt-subscription.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { MosquittoProcess, skipWithoutMosquitto } from '../backend/mosquitto-process.ts'
import { RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'

const GOOD = 1_000
const KEYS = 20
/** How long a hostile one may take to be given up, and all the good ones to arrive. */
const PATIENCE = 10_000
const TIMEOUT = 500
/** How long a send may take. */
const SEND = 1_000
const retry = { base: 100, factor: 1, cap: 100, jitter: 'none' } as const

/** An event that the backend cannot carry: how it is published, and what somebody writes into its row afterwards. */
interface HostileEvent {
  readonly kind: string
  /** Names the place that it goes to. */
  readonly subject?: string
  readonly data?: unknown
  readonly row?: Readonly<Record<string, string>>
}

/** Sends 1,000 good events and the hostile ones among them; every good one arrives, in order, and no other pays. */
async function sendAmongGood(backend: Backend, hostile: readonly HostileEvent[]): Promise<void> {
  const name = `poison-${randomUUID().slice(0, 8)}`
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-poison-'))
  const path = join(folder, 'outbox.db')
  const delivered: (Delivery & { readonly at: number })[] = []
  const kinds = new Map(hostile.map(({ kind }, n) => [`bad-${n}`, kind]))
  const failed = new Map<string, number>()
  const stops = [
    onSignal('event.published', ({ outbox, record }) => {
      if (outbox !== name) return
      const { count } = record.data as { readonly count: number }
      delivered.push({ key: record.partitionKey ?? '', count, at: performance.now() })
    }),
    onSignal('event.failed', ({ outbox, record }) => {
      if (outbox === name) failed.set(kinds.get(record.partitionKey ?? '') ?? 'a good one', performance.now())
    }),
  ]
  const broadcaster = new Broadcaster({ store: sqlite({ path }), backends: { default: backend }, name, logger: false })
  try {
    await broadcaster.store.schema.migrate()
    let good = 0
    for (const [n, { subject = '', data, row }] of hostile.entries()) {
      const upTo = Math.round(((n + 1) * GOOD) / (hostile.length + 1))
      while (good < upTo) good = await publishGood(broadcaster, good, upTo)
      const [published] = await broadcaster.transaction((tx) =>
        broadcaster.publishMany(
          tx,
          [
            {
              type: 'bad',
              source: '/poison',
              data: data ?? { n },
              partitionKey: `bad-${n}`,
              ...(subject && { subject }),
            },
          ],
          { maxRetries: 2 },
        ),
      )
      const db = new DatabaseSync(path)
      for (const [column, value] of Object.entries(row ?? {})) {
        db.prepare(`UPDATE outbox_events SET ${column} = ? WHERE partition_key = ?`).run(value, `bad-${n}`)
      }
      db.close()
      assert.ok(published)
    }
    while (good < GOOD) good = await publishGood(broadcaster, good, GOOD)
    const started = performance.now()
    const worker = broadcaster.worker({ retry, batchSize: 50, sendTimeout: SEND })
    await worker.start()
    while (delivered.length < GOOD || failed.size < hostile.length) {
      const missing = hostile.filter(({ kind }) => !failed.has(kind)).map(({ kind }) => kind)
      const left = `${delivered.length} of ${GOOD} are delivered; not given up: ${missing.join(', ')}`
      assert.ok(performance.now() - started < PATIENCE, left)
      await delay(20)
    }
    assert.deepEqual([...failed.keys()].sort(), hostile.map(({ kind }) => kind).sort(), 'none else is charged')
    const { lost, disordered } = judgeDeliveries(delivered, GOOD, KEYS)
    assert.deepEqual({ lost, disordered }, { lost: 0, disordered: 0 })
    assert.equal(await broadcaster.events.filter({ status: 'published', retryCount: { gt: 0 } }).count(), 0)
    const times = delivered.map(({ at }) => at)
    const longest = Math.max(...times.slice(1).map((at, n) => at - (times[n] ?? at)))
    assert.ok(longest <= 2 * SEND, `the good ones stood still for ${Math.round(longest)} ms`)
  } finally {
    for (const stop of stops) stop()
    await broadcaster.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Publishes good events, the next ones of all, and says how many there are now. */
async function publishGood(broadcaster: Broadcaster, from: number, to: number): Promise<number> {
  const events = Array.from({ length: Math.min(200, to - from) }, (_, n) => goodEvent(from + n))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
  return from + events.length
}

function goodEvent(n: number) {
  const data = { count: Math.floor(n / KEYS) + 1 }
  return { type: 'good', source: '/poison', data, partitionKey: `key-${n % KEYS}` }
}

test('Redis Streams: one event of each hostile kind among 1,000', { skip: skipWithoutRedisServer() }, async () => {
  const server = await RedisProcess.start('--proto-max-bulk-len', String(1024 * 1024))
  const admin = new Redis(server.port)
  try {
    await admin.set('no-stream', 'text')
    await admin.call('ACL', 'SETUSER', 'app', 'on', '>p', 'resetkeys', '~events', '~no-stream', '+@all')
    const backend = redisStreams({
      url: server.url.replace('//', '//app:p@'),
      timeout: TIMEOUT,
      connectTimeout: TIMEOUT,
      stream: ({ subject }) => {
        if (subject === 'throws') throw new Error('no name for it')
        return subject === 'nothing' ? (undefined as never) : subject || 'events'
      },
    })
    await sendAmongGood(backend, [
      { kind: 'a stream that the ACL forbids', subject: 'forbidden' },
      { kind: 'a key that is no stream', subject: 'no-stream' },
      { kind: 'a function stream that throws', subject: 'throws' },
      { kind: 'a function stream that gives no name', subject: 'nothing' },
      { kind: 'an entry that Redis does not take', data: 'x'.repeat(2 * 1024 * 1024) },
      { kind: 'a config that cannot be fields', row: { publisher_config: '{"source":"x"}' } },
      { kind: 'extensions that are no JSON', row: { extensions: '{"a":' } },
    ])
    assert.equal(await admin.xlen('events'), GOOD)
  } finally {
    admin.disconnect()
    await server.remove()
  }
})

test('MQTT: one event of each hostile kind among 1,000', { skip: skipWithoutMosquitto() }, async () => {
  const server = await MosquittoProcess.start()
  const rights = server.write('acl', 'topic readwrite #\ntopic deny secret/#\n')
  await server.stop()
  await server.start(`acl_file ${rights}`, 'max_packet_size 200000')
  try {
    const backend = mqtt({
      url: server.url,
      mode: 'binary',
      timeout: TIMEOUT,
      topic: ({ subject }) => {
        if (subject === 'throws') throw new Error('no topic for it')
        return subject === 'deep' ? `${'x/'.repeat(250)}x` : subject || 'events/good'
      },
    })
    await sendAmongGood(backend, [
      { kind: 'a topic that may not be written', subject: 'secret/x' },
      { kind: 'a topic with a wildcard', subject: 'a/#' },
      { kind: 'a topic with too many levels', subject: 'deep' },
      { kind: 'a function topic that throws', subject: 'throws' },
      { kind: 'a packet that is too large', data: 'x'.repeat(250_000) },
      { kind: 'a name of 70 KB', row: { extensions: JSON.stringify({ ['n'.repeat(70_000)]: '1' }) } },
      { kind: 'line breaks in a value', row: { extensions: '{"lines":"a\\r\\nb"}' } },
      { kind: 'a NUL in a value', row: { extensions: '{"nul":"a\\u0000b"}' } },
      { kind: 'half a surrogate pair in a value', row: { extensions: '{"half":"a\\ud800b"}' } },
    ])
  } finally {
    await server.remove()
  }
})

/** A message that a consumer cannot handle. */
interface HostileMessage {
  readonly kind: string
  put(): Promise<unknown>
}

/** Receives 1,000 good events with the hostile messages among them. */
async function receiveAmongGood(
  subscription: Subscription,
  backend: Backend,
  hostile: readonly HostileMessage[],
): Promise<void> {
  const name = `poison-${randomUUID().slice(0, 8)}`
  const handled: (Delivery & { readonly at: number })[] = []
  let givenUp = 0
  const stop = onSignal('delivery.failed', ({ consumer }) => {
    if (consumer === name) givenUp++
  })
  const consumer = new Consumer({
    name,
    subscription,
    inbox: false,
    logger: false,
    retry,
    maxRetries: 2,
    handlerTimeout: TIMEOUT,
    handlers: {
      good: (event) => {
        const { count } = event.data as { readonly count: number }
        handled.push({ key: String(event.partitionKey), count, at: performance.now() })
      },
      throws: () => {
        throw new Error('never')
      },
      hangs: (_event, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-poison-'))
  const broadcaster = new Broadcaster({
    store: sqlite({ path: join(folder, 'outbox.db') }),
    backends: { default: backend },
    logger: false,
  })
  try {
    await consumer.start()
    await broadcaster.store.schema.migrate()
    let good = 0
    for (const [n, { put }] of hostile.entries()) {
      const upTo = Math.round(((n + 1) * GOOD) / (hostile.length + 1))
      while (good < upTo) good = await publishGood(broadcaster, good, upTo)
      while ((await broadcaster.processPendingEvents()) > 0);
      await put()
    }
    while (good < GOOD) good = await publishGood(broadcaster, good, GOOD)
    while ((await broadcaster.processPendingEvents()) > 0);
    const started = performance.now()
    while (handled.length < GOOD || givenUp < hostile.length) {
      const left = `${handled.length} of ${GOOD} are handled, ${givenUp} of ${hostile.length} given up`
      assert.ok(performance.now() - started < PATIENCE, left)
      await delay(20)
    }
    assert.equal(givenUp, hostile.length)
    const { lost, disordered, duplicates } = judgeDeliveries(handled, GOOD, KEYS)
    assert.deepEqual({ lost, disordered, duplicates }, { lost: 0, disordered: 0, duplicates: 0 })
  } finally {
    stop()
    await consumer.stop()
    await broadcaster.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const cloudEvent = (type: string) => JSON.stringify({ specversion: '1.0', id: type, source: '/poison', type, data: 1 })

test('a consumer of Redis Streams: one message of each hostile kind among 1,000', {
  skip: skipWithoutRedisServer(),
}, async () => {
  const server = await RedisProcess.start()
  const admin = new Redis(server.port)
  const add = (kind: string, ...fields: readonly (string | Buffer)[]): HostileMessage => ({
    kind,
    put: () => admin.xadd('events', '*', ...fields),
  })
  try {
    await receiveAmongGood(redisStreamsSubscription({ url: server.url }), redisStreams({ url: server.url }), [
      add('no field of ours', 'hello', 'world'),
      add('no JSON', 'cloud_event', '{"specversion"'),
      add('bytes that are no UTF-8', 'cloud_event', Buffer.from([0xff, 0xfe, 0x00, 0x80])),
      add('deep JSON', 'cloud_event', '['.repeat(100_000)),
      add('5 MB of it', 'cloud_event', 'x'.repeat(5_000_000)),
      add('a thousand fields', ...Array.from({ length: 2_000 }, (_, n) => `f${n}`)),
      add('a handler that always throws', 'cloud_event', cloudEvent('throws')),
      add('a handler that hangs', 'cloud_event', cloudEvent('hangs')),
    ])
    assert.equal(await admin.xlen('events:dead'), 8)
  } finally {
    admin.disconnect()
    await server.remove()
  }
})

test('a consumer of MQTT: one message of each hostile kind among 1,000', { skip: skipWithoutMosquitto() }, async () => {
  const server = await MosquittoProcess.start('max_packet_size 200000')
  const publisher = await connectAsync(server.url, { protocolVersion: 5 })
  const put = (kind: string, payload: string | Buffer, userProperties?: Record<string, string>): HostileMessage => ({
    kind,
    put: () =>
      publisher.publishAsync('events/bad', payload, {
        qos: 1,
        ...(userProperties && { properties: { userProperties } }),
      }),
  })
  const subscription = mqttSubscription({
    url: server.url,
    clientId: 'poison-1',
    deadLetter: { topic: 'dead', keep: true },
  })
  try {
    await receiveAmongGood(subscription, mqtt({ url: server.url }), [
      put('nothing at all', ''),
      put('no JSON', '{"specversion"'),
      put('bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x80])),
      put('deep JSON', '['.repeat(100_000)),
      put('as large as the server takes', 'x'.repeat(199_900)),
      put('properties as large as the server takes', 'x', {
        a: 'x'.repeat(65_000),
        b: 'y'.repeat(65_000),
        c: 'z'.repeat(65_000),
      }),
      put('a binary event without an id', '1', { specversion: '1.0', source: '/s', type: 'good' }),
      put('a handler that always throws', cloudEvent('throws')),
      put('a handler that hangs', cloudEvent('hangs')),
    ])
  } finally {
    await publisher.endAsync(true)
    await server.remove()
  }
})
