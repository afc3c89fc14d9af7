import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal, type SignalName } from '../../src/telemetry/signals.ts'
import { RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { skipWithout } from '../support/servers.ts'

const OUTAGE = 30_000
const RATE = 100

test('Redis stopped for 30 s under load: no retries, one breaker cycle, delivery within 2 s, the other backend unaffected', {
  skip: skipWithout('postgres') || skipWithoutRedisServer(),
}, async (t) => {
  const schema = `outage_${randomUUID().slice(0, 8)}`
  const pool = new Pool({ connectionString: process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/test' })
  const redis = await RedisProcess.start()
  /** Milliseconds from publish to the second backend, before and during the outage. */
  const steady = { before: [] as number[], during: [] as number[] }
  let phase: keyof typeof steady = 'before'
  const other = eachEvent((event) => {
    steady[phase].push(Date.now() - (event.data as { at: number }).at)
  })
  const said = new Map<SignalName, number>()
  const firstAfter = { restartedAt: Number.POSITIVE_INFINITY, delivered: Promise.withResolvers<number>() }
  try {
    await pool.query(`CREATE SCHEMA ${schema}`)
    await using broadcaster = new Broadcaster({
      store: postgres({ pool, schema }),
      backends: { redis: redisStreams({ url: redis.url, stream: 'outage', trim: false }), other },
      routes: [{ type: '*', to: ['redis', 'other'] }],
      name: schema,
    })
    await broadcaster.store.schema.migrate()
    const stops = (['backend.down', 'backend.up'] as const).map((name) =>
      onSignal(name, (message) => {
        if (message.outbox === schema) said.set(name, (said.get(name) ?? 0) + 1)
      }),
    )
    stops.push(
      onSignal('event.published', (message) => {
        if (message.outbox !== schema || message.backend !== 'redis') return
        if (performance.now() > firstAfter.restartedAt) firstAfter.delivered.resolve(performance.now())
      }),
    )
    // Two workers, so that a breaker that is not shared would be seen to open twice.
    const workers = [broadcaster.worker(), broadcaster.worker()]
    await Promise.all(workers.map((worker) => worker.start()))
    const load = new Load(broadcaster)
    await pause(3_000)
    phase = 'during'
    await redis.stop()
    await pause(OUTAGE)
    const [stuck] = (await broadcaster.admin.stats()).backends.filter(({ backend }) => backend === 'redis')
    await redis.start()
    firstAfter.restartedAt = performance.now()
    const recovered = (await firstAfter.delivered.promise) - firstAfter.restartedAt
    const published = await load.stop()
    await allArrive(redis.url, published)
    for (const stop of stops) stop()

    const retried = await broadcaster.events.filter({ retryCount: { gt: 0 } }).count()
    const [before, during] = [p95(steady.before), p95(steady.during)]
    t.diagnostic(
      `${published} events; ${stuck?.stuck.count} waited during the outage; first delivery ${Math.round(recovered)} ms after the restart; ` +
        `breaker opened ${said.get('backend.down')}, closed ${said.get('backend.up')}; ` +
        `p95 of the other backend ${before} ms before, ${during} ms during the outage`,
    )
    assert.equal(retried, 0)
    assert.equal(said.get('backend.down'), 1)
    assert.equal(said.get('backend.up'), 1)
    assert.ok((stuck?.stuck.count ?? 0) > 300, 'there was load during the outage')
    assert.ok(recovered <= 2_000, `delivery resumed after ${recovered} ms`)
    assert.ok(steady.during.length > 300, 'the other backend went on')
    // An event that had to wait for the outage, a send timeout or a breaker would be seconds late.
    assert.ok(
      during <= Math.max(500, 3 * before),
      `the other backend was delayed: ${before} ms before, ${during} ms during`,
    )
  } finally {
    await redis.remove()
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await pool.end()
  }
})

/** Publishes an event every 10 ms to both backends, until stopped. */
class Load {
  #stopping = false
  readonly #running: Promise<number>

  constructor(broadcaster: Broadcaster<PgTransaction>) {
    this.#running = this.#run(broadcaster)
  }

  async #run(broadcaster: Broadcaster<PgTransaction>): Promise<number> {
    let count = 0
    while (!this.#stopping) {
      const event = { type: 'load', source: '/faults', data: { at: Date.now() }, partitionKey: `key-${count % 50}` }
      await broadcaster.transaction((tx) => broadcaster.publish(tx, event))
      count++
      await pause(1_000 / RATE)
    }
    return count
  }

  stop(): Promise<number> {
    this.#stopping = true
    return this.#running
  }
}

/** Resolves when the stream has `count` events; rejects when none comes for 20 s. */
async function allArrive(url: string, count: number): Promise<void> {
  const reader = createClient({ url })
  await reader.connect()
  try {
    const seen = new Set<string>()
    for (let after = '0'; seen.size < count; ) {
      const answer = await reader.xRead({ key: 'outage', id: after }, { COUNT: 1_000, BLOCK: 20_000 })
      const messages = answer?.[0]?.messages ?? []
      if (messages.length === 0) throw new Error(`${seen.size} of ${count} events arrived`)
      for (const { id, message } of messages) {
        after = id
        seen.add(message['event_id'] ?? '')
      }
    }
  } finally {
    reader.destroy()
  }
}

function p95(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length * 0.95)] ?? 0
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
