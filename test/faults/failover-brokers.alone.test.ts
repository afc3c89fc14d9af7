import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { requireServer } from '../support/servers.ts'
import { CLUSTERS, loadCluster, type RunningCluster } from './clusters/cluster.ts'
import { figureTable } from './figure-table.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'

const FULL = process.env['BROADCASTER_FULL'] === '1'
const EVENTS = FULL ? 20_000 : 4_000
const KEYS = 200
/** How long the next event may take, in milliseconds, before it counts as lost. */
const SILENCE = 60_000

const rows: (readonly string[])[] = []

for (const name of CLUSTERS) {
  test(`${name}: one of three nodes killed: nothing lost, keys in order, no retry spent, and no restart of ours`, async (t) => {
    const database = requireServer(t, 'postgres')
    const { title, durability, skip, start } = await loadCluster(name)
    const reason = skip()
    if (!database || reason !== false) return t.skip(reason || 'no database')
    const schema = `failover_${randomUUID().slice(0, 8)}`
    const pool = new Pool({ connectionString: database.url, max: 6 })
    pool.on('error', () => undefined)
    const cluster = await start()
    const subscription = cluster.subscription()
    try {
      await subscription.open({ consumer: 'observer' }, AbortSignal.timeout(SILENCE))
      await pool.query(`CREATE SCHEMA ${schema}`)
      await using broadcaster = new Broadcaster({
        store: postgres({ pool, schema }),
        backends: { default: cluster.backend() },
      })
      await broadcaster.store.schema.migrate()
      await broadcaster.worker({ batchSize: 100, concurrency: 4, maxInHand: 400, retention: false }).start()
      const killed = Promise.withResolvers<void>()
      const publishing = publish(
        (some) => broadcaster.transaction((tx) => broadcaster.publishMany(tx, some)),
        killed.promise,
      )
      const { deliveries, recovery } = await observe(subscription, cluster, killed.resolve)
      await publishing
      for (const end = Date.now() + SILENCE; ; await pause(50)) {
        if ((await broadcaster.events.exclude({ status: 'published' }).count()) === 0) break
        if (Date.now() > end) assert.fail('events arrived, and are not recorded')
      }
      const { lost, disordered, duplicates } = judgeDeliveries(deliveries, EVENTS, KEYS)
      const { rows: spent } = await pool.query(
        `SELECT max(retry_count) AS retries, count(*) FILTER (WHERE status = 'failed') AS failed FROM ${schema}.outbox_events`,
      )
      const seconds = `${(recovery / 1_000).toFixed(1)} s`
      t.diagnostic(
        `${lost} lost, ${disordered} out of order, ${duplicates} duplicates; next event ${seconds} after the kill`,
      )
      assert.deepEqual([lost, disordered], [0, 0])
      assert.deepEqual(spent[0], { retries: 0, failed: '0' })
      const count = EVENTS.toLocaleString('en')
      rows.push([title, durability, count, String(lost), String(disordered), String(spent[0].retries), seconds])
    } finally {
      await subscription.close()
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
      await cluster.remove()
    }
  })
}

after(() => {
  const head = ['Failover', 'Durable by', 'Sent', 'Lost', 'Out of order', 'Retries spent', 'Next event after it']
  figureTable('failover-brokers', head, rows)
})

/** Receives until every event has come, and kills a node when a third has. */
async function observe(
  subscription: Subscription,
  cluster: RunningCluster,
  onKilled: () => void,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly recovery: number }> {
  const deliveries: Delivery[] = []
  const seen = new Set<unknown>()
  let recovery: Promise<number> | undefined
  let last = performance.now()
  while (seen.size < EVENTS) {
    if (performance.now() - last > SILENCE) assert.fail(`${seen.size} events came, and none for ${SILENCE} ms`)
    const received = await subscription.receive(500, AbortSignal.timeout(1_000)).catch(async () => {
      await pause(50)
      return []
    })
    for (const { event } of received) {
      const { count } = JSON.parse(event?.dataJson ?? '{}') as { readonly count: number }
      deliveries.push({ key: String(event?.attributes['partitionkey']), count })
      seen.add(event?.attributes['id'])
      last = performance.now()
    }
    await Promise.allSettled(received.map((delivery) => delivery.acknowledge()))
    if (recovery === undefined && seen.size >= EVENTS / 3) {
      await cluster.killLeader()
      recovery = nextDelivery()
      onKilled()
    }
  }
  return { deliveries, recovery: (await recovery) ?? 0 }
}

/** The time until an event that is published after this moment is recorded as delivered. */
async function nextDelivery(): Promise<number> {
  const started = performance.now()
  const published = Promise.withResolvers<void>()
  // What was in flight may be recorded still.
  const stop = onSignal('event.published', ({ record }) => {
    if ((record.data as { readonly after: boolean }).after) published.resolve()
  })
  await published.promise
  stop()
  return performance.now() - started
}

/** Two thirds of them after the kill, which says so in them. */
async function publish(send: (events: readonly Published[]) => Promise<unknown>, killed: Promise<void>): Promise<void> {
  const counters = new Map<string, number>()
  let after = false
  void killed.then(() => {
    after = true
  })
  for (let done = 0; done < EVENTS; done += 50) {
    if (done >= EVENTS / 2) await killed
    const events = Array.from({ length: 50 }, (_, n) => {
      const partitionKey = `key-${(done * 7 + n * 13) % KEYS}`
      const count = (counters.get(partitionKey) ?? 0) + 1
      counters.set(partitionKey, count)
      return { type: 'fault.tested', source: '/faults', data: { count, after }, partitionKey }
    })
    await send(events)
    await pause(20)
  }
}

interface Published {
  readonly type: string
  readonly source: string
  readonly data: { readonly count: number; readonly after: boolean }
  readonly partitionKey: string
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
