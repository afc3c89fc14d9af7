import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { type RedisClient, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { skipWithoutRedisServer } from '../backend/redis-process.ts'
import { MASTER_NAME, RedisTrio } from '../backend/redis-trio.ts'
import { figureTable } from './figure-table.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'

/** `npm run faults` kills five masters one after another, each time the one of that moment; the usual run kills one. */
const FAILOVERS = process.env['BROADCASTER_FULL'] === '1' ? 5 : 1
const KEYS = 50
const STREAM = 'events'
/** Events a second. */
const RATE = 200

interface Case {
  readonly title: string
  readonly sentinels: number
  /** How a worker or a consumer finds the master. */
  connect(trio: RedisTrio): { readonly client?: RedisClient; readonly url?: string; readonly end: () => void }
}

const CASES: readonly Case[] = [
  {
    title: 'Redis, replica promoted by hand (after 1 s)',
    sentinels: 0,
    connect: ({ address }) => ({ url: `redis://127.0.0.1:${address.port}`, end: () => undefined }),
  },
  {
    title: 'Redis, replica promoted by Sentinel (down after 1 s)',
    sentinels: 3,
    connect({ sentinels }) {
      const client = new Redis({
        sentinels: sentinels.map((port) => ({ host: '127.0.0.1', port })),
        name: MASTER_NAME,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
        retryStrategy: () => 100,
        sentinelRetryStrategy: () => 100,
      })
      client.on('error', () => undefined)
      return { client, end: () => client.disconnect() }
    },
  },
]

for (const { title, sentinels, connect } of CASES) {
  test(`${title}: nothing lost, no restart, no retries`, { skip: skipWithoutRedisServer() }, async (t) => {
    const name = `failover-${randomUUID().slice(0, 8)}`
    const folder = mkdtempSync(join(tmpdir(), 'broadcaster-failover-'))
    const trio = await RedisTrio.start(sentinels)
    const [outwards, inwards] = [connect(trio), connect(trio)]
    const { end: endOutwards, ...out } = outwards
    const { end: endInwards, ...into } = inwards
    const broadcaster = new Broadcaster({
      store: sqlite({ path: join(folder, 'outbox.db') }),
      backends: { default: redisStreams({ ...out, stream: STREAM, replicas: 1, timeout: 2_000 }) },
      name,
    })
    const received = new Set<string>()
    const consumer = new Consumer({
      name,
      subscription: redisStreamsSubscription({ ...into, stream: STREAM, claimAfter: 2_000 }),
      inbox: false,
      handlers: { '*': ({ id }: { readonly id: string }) => void received.add(id) },
    })
    let next = Promise.withResolvers<number>()
    const downs: number[] = []
    const stops = [
      // One that was created after the kill: what was acknowledged before it may be settled after it.
      onSignal('event.published', ({ outbox, record }) => {
        if (outbox === name && record.createdAt.getTime() > trio.killedAt) next.resolve(Date.now() - trio.killedAt)
      }),
      onSignal('backend.down', ({ outbox }) => void (outbox === name && downs.push(performance.now()))),
    ]
    try {
      await broadcaster.store.schema.migrate()
      await untilReady(out.client)
      await untilReady(into.client)
      const worker = broadcaster.worker()
      await worker.start()
      await consumer.start()
      const load = publishing(broadcaster)
      const recoveries: number[] = []
      for (let n = 0; n < FAILOVERS; n++) {
        await delay(3_000)
        next = Promise.withResolvers()
        trio.killedAt = Number.POSITIVE_INFINITY
        const dead = sentinels > 0 ? await trio.failOverBySentinel() : await trio.failOverByHand()
        recoveries.push(await next.promise)
        await trio.bringBack(dead)
      }
      await delay(2_000)
      const sent = await load.stop()
      while ((await broadcaster.events.filter({ status: { in: ['pending', 'retry', 'processing'] } }).count()) > 0) {
        await delay(100)
      }
      const retried = await broadcaster.events.filter({ retryCount: { gt: 0 } }).count()
      const { lost, disordered, duplicates } = judgeDeliveries(await entriesOf(trio.master.port), sent, KEYS)
      const end = performance.now() + 20_000
      while (received.size < sent && performance.now() < end) await delay(100)
      const longest = Math.max(...recoveries)
      t.diagnostic(
        `${sent} events, ${FAILOVERS} failovers: lost ${lost}, out of order ${disordered}, sent again ${duplicates}, ` +
          `retries ${retried}, received ${received.size}; next event after ${recoveries.map(Math.round).join(', ')} ms`,
      )
      assert.deepEqual({ lost, disordered, retried }, { lost: 0, disordered: 0, retried: 0 })
      assert.equal(received.size, sent, 'the consumer has them all, and was not started again')
      assert.ok(downs.length >= 1, 'the failover was told')
      assert.equal(await broadcaster.events.filter({ status: 'published' }).count(), sent)
      const cells = [title, '`replicas: 1` of two', String(sent), '0', '0', '0', `${(longest / 1000).toFixed(1)} s`]
      figureTable('failover-redis', HEAD, [cells])
    } finally {
      for (const stop of stops) stop()
      await consumer.stop()
      await broadcaster.close()
      endOutwards()
      endInwards()
      await trio.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })
}

const HEAD = ['Failover', 'Durable by', 'Sent', 'Lost', 'Out of order', 'Retries spent', 'Next event after it'] as const

/** Publishes events of all keys in turn until it is stopped; says how many. */
function publishing(broadcaster: Broadcaster): { stop(): Promise<number> } {
  let going = true
  const run = async (): Promise<number> => {
    let sent = 0
    while (going) {
      const events = Array.from({ length: RATE / 20 }, () => {
        const at = sent++
        const data = { count: Math.floor(at / KEYS) + 1 }
        return { type: 'load', source: '/failover', data, partitionKey: `key-${at % KEYS}` }
      })
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
      await delay(50)
    }
    return sent
  }
  const running = run()
  return {
    stop() {
      going = false
      return running
    },
  }
}

/** What the stream has, in its order. */
async function entriesOf(port: number): Promise<readonly Delivery[]> {
  const client = new Redis(port)
  try {
    const entries = await client.xrange(STREAM, '-', '+')
    return entries.map(([, fields]) => {
      const event = JSON.parse(fields[fields.indexOf('cloud_event') + 1] ?? '{}') as {
        readonly partitionkey: string
        readonly data: { readonly count: number }
      }
      return { key: event.partitionkey, count: event.data.count }
    })
  } finally {
    client.disconnect()
  }
}

async function untilReady(client: RedisClient | undefined): Promise<void> {
  if (client instanceof Redis && client.status !== 'ready')
    await new Promise((resolve) => client.once('ready', resolve))
}
