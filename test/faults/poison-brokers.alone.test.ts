import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { Status } from '../../src/record/status.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { requireServer } from '../support/servers.ts'
import { loadPoison, POISONED, type PoisonedBroker } from './poison/poison.ts'

const GOOD = 1_000
const KEYS = 20
/** A permanent refusal is known within so many milliseconds. */
const SOON = 10_000

/** One of each hostile kind among 1,000 good ones, in both directions. */
describe('poison at the brokers', () => {
  for (const name of POISONED) {
    test(`${name}: what cannot be sent fails alone and soon; the others arrive in order, and nothing is down`, async (t) => {
      const database = requireServer(t, 'postgres')
      const broker = await loadPoison(name)
      if (!database || broker.skip() !== false) return t.skip(String(broker.skip() || 'no database'))
      const schema = `poison_${randomUUID().slice(0, 8)}`
      const pool = new Pool({ connectionString: database.url, max: 6 })
      pool.on('error', () => undefined)
      const running = await broker.start()
      const downs: unknown[] = []
      const stop = onSignal('backend.down', (down) => void downs.push(down))
      try {
        await pool.query(`CREATE SCHEMA ${schema}`)
        // Past the check of publish, as a row that was inserted by SQL.
        const { checkEvent: _checked, ...backend } = running.backend()
        await using broadcaster = new Broadcaster({
          store: postgres({ pool, schema }),
          backends: { default: backend },
          maxRetries: 2,
          logger: false,
        })
        await broadcaster.store.schema.migrate()
        const poison = running.outgoing.map((event, n) => ({
          source: '/poison',
          partitionKey: `poison-${n}`,
          ...event,
        }))
        await broadcaster.transaction(async (tx) => {
          await broadcaster.publishMany(tx, goodEvents(0, GOOD / 2))
          await broadcaster.publishMany(tx, poison)
          await broadcaster.publishMany(tx, goodEvents(GOOD / 2, GOOD))
        })
        if (running.sql !== undefined) await pool.query(running.sql(`${schema}.outbox_events`))
        const started = performance.now()
        const retry = { base: 50, factor: 2, cap: 500, jitter: 'full' } as const
        await broadcaster.worker({ sendTimeout: 500, retry, retention: false }).start()
        const last = await settled(broadcaster)
        const took = performance.now() - started
        t.diagnostic(`${poison.length} kinds; all settled after ${(took / 1_000).toFixed(1)} s`)
        assert.deepEqual(last, { published: GOOD, failed: poison.length })
        assert.deepEqual(await failedSources(broadcaster), new Set(['/poison']))
        assert.deepEqual(downs, [])
        assert.ok(took < SOON, `it took ${took} ms`)
        const subscription = running.subscription()
        try {
          await subscription.open({ consumer: 'observer' }, AbortSignal.timeout(SOON))
          const seen: { key: string; n: number }[] = []
          for (const end = Date.now() + SOON; distinct(seen) < GOOD && Date.now() < end; ) {
            for (const delivery of await subscription.receive(500, AbortSignal.timeout(1_000))) {
              seen.push(read(delivery.event?.attributes['partitionkey'], delivery.event?.dataJson))
              await delivery.acknowledge()
            }
          }
          assertOrder(seen)
        } finally {
          await subscription.close()
        }
      } finally {
        stop()
        await running.remove()
        await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
        await pool.end()
      }
    })

    test(`${name}: what cannot be handled is a dead letter soon; the others are handled in order`, async (t) => {
      const broker = await loadPoison(name)
      if (broker.skip() !== false) return t.skip(String(broker.skip()))
      const running = await broker.start()
      const handled: { key: string; n: number }[] = []
      let dead = 0
      const stop = onSignal('delivery.failed', () => void dead++)
      const subscription = running.subscription()
      const consumer = new Consumer({
        name: 'poisoned',
        subscription,
        inbox: false,
        logger: false,
        maxRetries: 2,
        handlers: {
          '*': ({ partitionKey, data }) => void handled.push(read(partitionKey, JSON.stringify(data))),
        },
      })
      try {
        await consumer.start()
        const backend = running.backend()
        await sendGood(backend, 0, GOOD / 2)
        const kinds = await running.publishHostile()
        await sendGood(backend, GOOD / 2, GOOD)
        await backend.close()
        const started = performance.now()
        while (distinct(handled) < GOOD || dead < kinds) {
          if (performance.now() - started > 3 * SOON) {
            assert.fail(`${handled.length} handled, ${dead} of ${kinds} dead letters`)
          }
          await pause(50)
        }
        t.diagnostic(
          `${kinds} kinds; all done ${((performance.now() - started) / 1_000).toFixed(1)} s after the last was sent`,
        )
        assertOrder(handled)
        assert.equal(dead, kinds)
      } finally {
        stop()
        await consumer.stop()
        await running.remove()
      }
    })
  }
})

function goodEvents(from: number, to: number) {
  return Array.from({ length: to - from }, (_, at) => {
    const n = from + at
    return { type: 'order.created', source: '/good', data: { n }, partitionKey: `key-${n % KEYS}` }
  })
}

async function sendGood(
  backend: ReturnType<Awaited<ReturnType<PoisonedBroker['start']>>['backend']>,
  from: number,
  to: number,
) {
  const { sampleEvent } = await import('../../src/testing.ts')
  const events = goodEvents(from, to).map(({ data, partitionKey }) =>
    sampleEvent({ data: JSON.stringify(data), partitionKey, eventId: randomBytes(8).toString('hex') }),
  )
  for (const result of await backend.send(events, AbortSignal.timeout(SOON)))
    assert.ok(result.ok, String(!result.ok && result.error))
}

async function settled(broadcaster: Broadcaster): Promise<{ readonly published: number; readonly failed: number }> {
  const count = (...status: readonly Status[]) => broadcaster.events.filter({ status }).count()
  for (const end = Date.now() + 3 * SOON; Date.now() < end; await pause(50)) {
    if ((await count('pending', 'processing', 'retry')) === 0) break
  }
  return { published: await count('published'), failed: await count('failed') }
}

async function failedSources(broadcaster: Broadcaster): Promise<ReadonlySet<string>> {
  return new Set((await broadcaster.events.filter({ status: 'failed' }).limit(100).all()).map(({ source }) => source))
}

function read(key: unknown, json: string | null | undefined): { key: string; n: number } {
  return { key: String(key), n: (JSON.parse(json ?? '{}') as { n: number }).n }
}

function distinct(seen: readonly { readonly n: number }[]): number {
  return new Set(seen.map(({ n }) => n)).size
}

function assertOrder(seen: readonly { readonly key: string; readonly n: number }[]): void {
  // What a slow machine made the relay send again, or the broker hand out again, counts as it came first.
  const first = new Map(seen.toReversed().map((each) => [each.n, each]))
  assert.equal(first.size, GOOD)
  const inOrder = seen.filter((each) => first.get(each.n) === each)
  for (const [key, own] of Map.groupBy(inOrder, (each) => each.key)) {
    const numbers = own.map(({ n }) => n)
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `the order of ${key}`,
    )
  }
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
