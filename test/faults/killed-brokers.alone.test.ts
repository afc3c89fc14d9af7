import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { requireServer } from '../support/servers.ts'
import { BROKERS, type FaultyBroker, loadBroker, type RunningBroker, SECOND_MQTT } from './brokers/broker.ts'
import { figureTable } from './figure-table.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'

const FULL = process.env['BROADCASTER_FULL'] === '1'
const EVENTS = FULL ? 20_000 : 8_000
const KEYS = 200
/** Killed when so many events have arrived. */
const KILLS = [EVENTS / 5, (EVENTS * 11) / 20]
const SIZES = { batchSize: 100, concurrency: 4, maxInHand: 400 }
/** How long the next event may take, in milliseconds, before it counts as lost. */
const SILENCE = 45_000

/** By broker: two at a time end in any order. */
const rows = new Map<string, readonly string[]>()

// Two at a time: most of it is waiting for servers to start. One of them goes alone, and says why.
describe('killed brokers', { concurrency: 2 }, () => {
  for (const name of BROKERS) killed(name)
})
killed(SECOND_MQTT)

function killed(name: string): void {
  test(`${name}, killed twice under ${EVENTS} keyed events: nothing lost, keys in order, no retry spent`, async (t) => {
    const database = requireServer(t, 'postgres')
    const broker = await loadBroker(name)
    const reason = broker.skip()
    if (!database || reason !== false) return t.skip(reason || 'no database')
    const running = await broker.start('observe')
    const source = `/faults/${name}`
    const schema = `faults_${randomUUID().slice(0, 8)}`
    const pool = new Pool({ connectionString: database.url, max: 6 })
    const backend = broker.backend(running.address)
    const observer = new Observer(() => broker.subscription(running.address))
    try {
      // Some make what the subscription reads from.
      await backend.connect?.(AbortSignal.timeout(SILENCE))
      await observer.open()
      await pool.query(`CREATE SCHEMA ${schema}`)
      await using broadcaster = new Broadcaster({
        store: postgres({ pool, schema }),
        backends: { default: backend },
      })
      await broadcaster.store.schema.migrate()
      await broadcaster.worker({ ...SIZES, retention: false }).start()
      const killed = Promise.withResolvers<void>()
      const publishing = publish(broadcaster, source, killed.promise)
      const { mayLose = 0 } = broker
      const { deliveries, recoveries } = await observe(observer, running, broker, source, killed.resolve)
      await publishing
      await settled(broadcaster)

      const judged = judgeDeliveries(deliveries, EVENTS, KEYS)
      const { rows: spent } = await pool.query(
        `SELECT max(retry_count) AS retries, count(*) FILTER (WHERE status <> 'published') AS left FROM ${schema}.outbox_events`,
      )
      const slowest = Math.max(...recoveries)
      t.diagnostic(
        `${judged.lost} lost, ${judged.disordered} out of order, ${judged.duplicates} duplicates, ` +
          `${spent[0].retries} retries, next event ${recoveries.map((ms) => `${(ms / 1_000).toFixed(1)} s`).join(' and ')} after the restart` +
          (observer.reopened > 0 ? '; the last came after the observer had connected anew' : ''),
      )
      assert.ok(judged.lost <= mayLose, `${judged.lost} lost`)
      // What is missing leaves a gap in its key.
      assert.ok(judged.disordered <= judged.lost, `${judged.disordered} out of order`)
      assert.deepEqual(spent[0], { retries: 0, left: '0' })
      rows.set(name, [
        broker.title,
        broker.durability,
        EVENTS.toLocaleString('en'),
        String(judged.lost),
        String(judged.disordered),
        String(judged.duplicates),
        `${(slowest / 1_000).toFixed(1)} s`,
      ])
    } finally {
      await observer.close()
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
      await running.remove()
    }
  })
}

after(() => {
  const head = [
    'Killed twice',
    'Durable by',
    'Sent',
    'Lost',
    'Out of order',
    'Duplicates',
    'Next event after a restart',
  ]
  const inOrder = [...BROKERS, SECOND_MQTT].flatMap((name) => [rows.get(name) ?? []])
  figureTable(
    'killed-brokers',
    head,
    inOrder.filter((row) => row.length > 0),
  )
})

/** The subscription at hand. */
class Observer {
  readonly #make: () => Subscription
  #subscription: Subscription
  reopened = 0

  constructor(make: () => Subscription) {
    this.#make = make
    this.#subscription = make()
  }

  open(): Promise<void> {
    return this.#subscription.open({ consumer: 'observer' }, AbortSignal.timeout(SILENCE))
  }

  async reopen(): Promise<void> {
    this.reopened++
    await this.#subscription.close()
    this.#subscription = this.#make()
    await this.open()
  }

  receive(): ReturnType<Subscription['receive']> {
    return this.#subscription.receive(500, AbortSignal.timeout(1_000))
  }

  close(): Promise<void> {
    return this.#subscription.close()
  }
}

/** Receives until every event has come, and kills the broker on the way. */
async function observe(
  observer: Observer,
  running: RunningBroker,
  { mayLose = 0, mayStall = false }: FaultyBroker,
  source: string,
  killedTwice: () => void,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly recoveries: readonly number[] }> {
  const deliveries: Delivery[] = []
  const seen = new Set<unknown>()
  const recoveries: Promise<number>[] = []
  let last = performance.now()
  while (seen.size < EVENTS) {
    const silence = performance.now() - last
    const nearlyAll = seen.size > EVENTS - 100 && recoveries.length === KILLS.length
    const mayReopen = mayStall && observer.reopened === 0
    if (mayLose > 0 && seen.size >= EVENTS - mayLose && silence > 10_000 && !mayReopen) break
    if (mayReopen && nearlyAll && silence > 10_000) {
      await observer.reopen()
      last = performance.now()
    }
    if (silence > SILENCE) assert.fail(`${seen.size} events came, and none for ${SILENCE} ms`)
    const received = await observer.receive().catch(async () => {
      await pause(50)
      return []
    })
    for (const { event } of received) {
      if (event === undefined) assert.fail('a message that is not an event')
      const { count } = JSON.parse(event.dataJson ?? '{}') as { readonly count: number }
      deliveries.push({ key: String(event.attributes['partitionkey']), count })
      seen.add(event.attributes['id'])
      last = performance.now()
    }
    await Promise.allSettled(received.map((delivery) => delivery.acknowledge()))
    const next = KILLS[recoveries.length]
    if (next !== undefined && seen.size >= next) {
      await running.kill()
      recoveries.push(recovery(running, source))
      if (recoveries.length === KILLS.length) killedTwice()
    }
  }
  return { deliveries, recoveries: await Promise.all(recoveries) }
}

/** Restarts the broker; resolves with the time from then to the next recorded delivery of what the source published. */
async function recovery(running: RunningBroker, source: string): Promise<number> {
  await running.restart()
  const restarted = performance.now()
  const published = Promise.withResolvers<void>()
  const stop = onSignal('event.published', ({ record }) => record.source === source && published.resolve())
  await published.promise
  stop()
  return performance.now() - restarted
}

/** Until the worker has recorded what the broker acknowledged. */
async function settled(broadcaster: Broadcaster<PgTransaction>): Promise<void> {
  const end = performance.now() + SILENCE
  while ((await broadcaster.events.exclude({ status: 'published' }).count()) > 0) {
    if (performance.now() > end) assert.fail('events arrived, and are not recorded')
    await pause(50)
  }
}

/**
 * About 2,500 events a second in transactions of 50, so that each kill hits running work. The last come after the last kill,
 * or there might be nothing left to recover with.
 */
async function publish(
  broadcaster: Broadcaster<PgTransaction>,
  source: string,
  killedTwice: Promise<void>,
): Promise<void> {
  const counters = new Map<string, number>()
  for (let done = 0; done < EVENTS; done += 50) {
    if (done === EVENTS - EVENTS / 5) await killedTwice
    const events = Array.from({ length: 50 }, (_, n) => {
      const partitionKey = `key-${(done * 7 + n * 13) % KEYS}`
      const count = (counters.get(partitionKey) ?? 0) + 1
      counters.set(partitionKey, count)
      return { type: 'fault.tested', source, data: { count }, partitionKey }
    })
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
    await pause(15)
  }
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
