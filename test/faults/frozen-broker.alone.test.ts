import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { KafkaProcess } from '../backend/kafka-process.ts'
import { createTopic, readEvents } from '../backend/kafka-topic.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { requireServer } from '../support/servers.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'

const FULL = process.env['BROADCASTER_FULL'] === '1'
/** Once it stands still so long after the first send that got no answer, and once for longer than a broker's session. */
const FREEZES = FULL ? [10_000, 60_000, 10_000] : [3_000]
const EVENTS = 1_000 * (FREEZES.length + 1)
const KEYS = 50
const connection = { connectTimeout: 1_000, timeout: 2_000 }
/** How long anything may take that is waited for, in milliseconds. */
const PATIENCE = 60_000

/** A broker that is killed closes its connections, and the client knows at once; one that stands still says nothing. */
test('Kafka stands still (SIGSTOP) while the relay sends: an outage, charged to no event, and all arrives afterwards, in order', async (t) => {
  const database = requireServer(t, 'postgres')
  const reason = skipWithoutJars('kafka')
  if (!database || reason !== false) return t.skip(reason || 'no database')
  const schema = `frozen_${randomUUID().slice(0, 8)}`
  const pool = new Pool({ connectionString: database.url, max: 6 })
  const server = await KafkaProcess.start({ 'group.min.session.timeout.ms': '500' })
  const said: string[] = []
  const stops = (['backend.down', 'backend.up'] as const).map((name) =>
    onSignal(name, ({ outbox }) => void (outbox === schema && said.push(name))),
  )
  try {
    await createTopic(server.address, 'events')
    await pool.query(`CREATE SCHEMA ${schema}`)
    await using broadcaster = new Broadcaster({
      store: postgres({ pool, schema }),
      backends: { default: kafka({ ...connection, bootstrapServers: server.address }) },
      name: schema,
    })
    await broadcaster.store.schema.migrate()
    await broadcaster.worker({ batchSize: 20, concurrency: 4, retention: false }).start()
    const published = () => broadcaster.events.filter({ status: 'published' }).count()
    const load = publish(broadcaster)
    let silent = 0
    for (const [n, length] of FREEZES.entries()) {
      await until('events are delivered', async () => (await published()) >= 200 * (n + 1))
      server.freeze()
      const frozen = performance.now()
      await until('the breaker opens', () => said.length === 2 * n + 1)
      silent = Math.max(silent, performance.now() - frozen)
      await pause(length)
      server.thaw()
      await until('the breaker closes', () => said.length === 2 * n + 2)
    }
    await load
    await until('all is recorded as delivered', async () => (await published()) === EVENTS)
    const { rows } = await pool.query(
      `SELECT max(retry_count) AS retries, count(*) FILTER (WHERE attempts IS NOT NULL) AS charged FROM ${schema}.outbox_events`,
    )
    const deliveries = (await readEvents(server.address, 'events')).map(
      ({ attributes, dataJson }): Delivery => ({
        key: String(attributes['partitionkey']),
        count: (JSON.parse(dataJson ?? '') as { count: number }).count,
      }),
    )
    const judged = judgeDeliveries(deliveries, EVENTS, KEYS)
    t.diagnostic(
      `${judged.lost} lost, ${judged.disordered} out of order, ${judged.duplicates} duplicates; known as an outage after at most ${Math.round(silent)} ms`,
    )
    assert.deepEqual(rows[0], { retries: 0, charged: '0' })
    assert.deepEqual([judged.lost, judged.disordered], [0, 0])
    assert.deepEqual(
      said,
      FREEZES.flatMap(() => ['backend.down', 'backend.up']),
    )
    // By the first send that gets no answer, not by smaller ones and each event alone after it.
    assert.ok(silent < 2.25 * connection.timeout, `known after ${silent} ms`)
  } finally {
    for (const stop of stops) stop()
    await server.remove()
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await pool.end()
  }
})

/** A transaction of 10 events every 15 ms, so that there is something to send whenever the broker stands still. */
async function publish(broadcaster: Broadcaster<PgTransaction>): Promise<void> {
  for (let done = 0; done < EVENTS; done += 10) {
    const events = Array.from({ length: 10 }, (_, n) => ({
      type: 'fault.tested',
      source: '/faults/frozen',
      data: { count: Math.floor((done + n) / KEYS) + 1 },
      partitionKey: `key-${(done + n) % KEYS}`,
    }))
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
    await pause(15)
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE
  while (!(await isSo())) {
    if (performance.now() > end) assert.fail(`not in ${PATIENCE} ms: ${what}`)
    await pause(20)
  }
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
