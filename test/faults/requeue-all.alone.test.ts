import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Operation } from '../../src/admin/background-operations.ts'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { requireServer } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { judgeDeliveries } from './judge-deliveries.ts'
import { readStream } from './read-stream.ts'
import type { WorkerTask } from './worker-process.ts'

/** `npm run faults` runs it in full, on PostgreSQL. */
const FULL = process.env['BROADCASTER_FULL'] === '1'
/** Failed events that match the filter. With 200,000 it takes five minutes (docs/decisions/0146). */
const FAILED = Number(process.env['BROADCASTER_DRILL_EVENTS'] ?? (FULL ? 20_000 : 3_000))
/** Failed events that do not. */
const OTHERS = FAILED / 20
const KEYS = FULL ? 2_000 : 100
/** Events a second of the first half, so that there is time to start a process. */
const RATE = FULL ? 5_000 : 200
const SIZES = { batchSize: 100, concurrency: 2, maxInHand: 400, lease: 2_000 }
const STORES = PLACED_STORES.filter(({ name }) => (FULL ? name === 'postgres' : name !== 'mysql'))
const FILTER = { status: 'failed', eventType: 'drill.timed-out' } as const

/*
 * Two workers deliver what goes on being published, and one of them requeues. It is killed at a quarter, and the operation cancelled
 * half-way; a second one does the rest. Judged by the stream, the table, the counts of the operations, and the audit.
 */
describe('requeue all that match', { concurrency: 3 }, () => {
  for (const kind of STORES) {
    test(`${FAILED} failed events on ${kind.name}, one worker killed, cancelled half-way and gone on with`, async (t) => {
      const broker = requireServer(t, 'redis')
      if (!broker || (kind.server !== undefined && !requireServer(t, kind.server))) return
      const { place, store, look, close } = await kind.open()
      const stream = `requeue_${randomUUID().slice(0, 8)}`
      const redis = createClient({ url: broker.url })
      await redis.connect()
      const children: ChildProcess[] = []
      let born = 0
      let live: { end(): Promise<number> } | undefined
      const start = async (): Promise<void> => {
        const task: WorkerTask = { name: `worker-${++born}`, place, redisUrl: broker.url, stream, ...SIZES }
        const child = fork(new URL('./worker-process.ts', import.meta.url), [JSON.stringify(task)])
        children.push(child)
        await Promise.race([
          once(child, 'message'),
          once(child, 'exit').then(() => Promise.reject(new Error(`${task.name} ended before it started`))),
        ])
      }

      try {
        await using broadcaster = new Broadcaster({
          store,
          logger: false,
          backends: { default: eachEvent(() => undefined) },
        })
        const { admin } = broadcaster
        await store.schema.migrate()
        const plant = planting(broadcaster)
        const failed = await plant('drill.timed-out', 'key', FAILED, KEYS)
        await fail(failed, 'Timed out after 5000 ms')
        await fail(await plant('drill.refused', 'other', OTHERS, KEYS), 'refused')
        // One event waits behind each blocked key.
        await plant('drill.waiting', 'key', KEYS, KEYS)
        async function fail(ids: readonly string[], error: string): Promise<void> {
          for (let n = 0; n < ids.length; n += 1_000) {
            await store.admin.move(ids.slice(n, n + 1_000), { kind: 'markFailed', error }, [])
          }
        }

        assert.deepEqual(await admin.preview('requeue', FILTER), { matches: FAILED, unchanged: 0, missing: 0 })
        // Alone at first, so that it is the one that has the operation.
        await start()
        live = publishing(broadcaster)
        const began = performance.now()
        const { id, matched } = await admin.operations.start({ do: 'requeue', filter: FILTER, rate: RATE, by: 'ops' })
        assert.equal(matched, FAILED > 100_000 ? null : FAILED)
        const until = async (operation: number, holds: (at: Operation) => boolean): Promise<Operation> => {
          let before = 0
          for (const end = performance.now() + (FULL ? 600_000 : 60_000); ; ) {
            const at = await admin.operations.get(operation)
            assert.ok(at.moved >= before, `progress went from ${before} to ${at.moved}`)
            before = at.moved
            if (holds(at)) return at
            assert.ok(performance.now() < end, `stood still at ${at.moved}`)
            await pause(20)
          }
        }
        await until(id, ({ moved }) => moved > 0)
        await start()
        await until(id, ({ moved }) => moved >= FAILED / 8)
        const [first] = children.splice(0, 1)
        const ended = first && once(first, 'exit')
        first?.kill('SIGKILL')
        await ended
        const killed = performance.now()
        const atDeath = await admin.operations.get(id)
        assert.equal(atDeath.state, 'running')
        // In full its lease of half a minute runs out.
        if (!FULL) await look(`UPDATE outbox_operations SET lease_until = NULL, owner = NULL WHERE id = ${id}`)
        await start()
        await until(id, ({ moved }) => moved > atDeath.moved)
        const gap = performance.now() - killed
        await until(id, ({ moved }) => moved >= FAILED / 2)
        assert.equal(await admin.operations.cancel(id, { by: 'ops', reason: 'wait' }), true)
        const half = await admin.operations.get(id)
        const left = await admin.count(FILTER)
        assert.deepEqual([half.state, half.moved, half.leftAlone], ['cancelled', FAILED - left, 0])
        await pause(200)
        assert.equal(await admin.count(FILTER), left, 'nothing is moved after the cancel')

        const rest = await admin.operations.start({ do: 'requeue', filter: FILTER, by: 'ops' })
        const done = await until(rest.id, ({ state }) => state !== 'running')
        const took = performance.now() - began
        assert.deepEqual([done.state, done.moved, done.leftAlone], ['done', left, 0])
        const alive = await live.end()
        await settled(broadcaster)
        // Each event was moved twice: it failed, and was requeued once.
        const generations = await look(
          `SELECT generation, count(*) AS events FROM outbox_events WHERE event_type = 'drill.timed-out' GROUP BY generation`,
        )
        assert.deepEqual(
          generations.map((row) => [Number(row['generation']), Number(row['events'])]),
          [[2, FAILED]],
        )
        assert.equal(await admin.count({ status: 'failed', eventType: 'drill.refused' }), OTHERS)

        const sent = await readStream(redis, stream)
        const ofKeys = judgeDeliveries(
          sent.filter(({ key }) => key.startsWith('key')),
          FAILED + KEYS,
          KEYS,
        )
        const ofLive = judgeDeliveries(
          sent.filter(({ key }) => key.startsWith('live')),
          alive,
          10,
        )
        assert.equal(sent.filter(({ key }) => key.startsWith('other')).length, 0)
        assert.deepEqual([ofKeys.lost, ofKeys.disordered, ofLive.lost, ofLive.disordered], [0, 0, 0, 0])
        assert.ok(ofKeys.duplicates + ofLive.duplicates <= SIZES.maxInHand, `${ofKeys.duplicates} duplicates`)

        const story = (await admin.audit()).map(({ what, who, outcome, operation, counts }) => [
          ...[what, who, outcome, operation, counts.moved],
        ])
        assert.deepEqual(story.reverse(), [
          ['requeue', 'ops', 'stopped', id, half.moved],
          ['cancel-operation', 'ops', 'done', id, 1],
          ['requeue', 'ops', 'done', rest.id, left],
        ])
        const waits = await waitsOf(broadcaster)
        t.diagnostic(
          `${FAILED} requeued in ${(took / 1_000).toFixed(1)} s, cancelled at ${half.moved}; ${(gap / 1_000).toFixed(1)} s without a ` +
            `worker for it; ${alive} other events meanwhile, median ${waits.median} ms, 99 % ${waits.most} ms from insert to settle; 0 lost, 0 out ` +
            `of order, ${ofKeys.duplicates + ofLive.duplicates} duplicates`,
        )
      } finally {
        await live?.end().catch(() => undefined)
        await Promise.all(
          children.map((child) => {
            const exit = once(child, 'exit')
            child.send('stop')
            return exit
          }),
        )
        await redis.del(stream)
        redis.destroy()
        await close()
      }
    })
  }
})

/** Publishes events that count from 1 in each key. */
function planting(broadcaster: Broadcaster) {
  const counters = new Map<string, number>()
  return async (type: string, prefix: string, count: number, keys: number): Promise<readonly string[]> => {
    const ids: string[] = []
    for (let done = 0; done < count; done += 1_000) {
      const events = Array.from({ length: Math.min(1_000, count - done) }, (_, n) => {
        const partitionKey = `${prefix}-${(done + n) % keys}`
        const at = (counters.get(partitionKey) ?? 0) + 1
        counters.set(partitionKey, at)
        return { type, source: '/drill', data: { count: at }, partitionKey }
      })
      const stored = await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
      for (const { id } of stored) ids.push(id)
    }
    return ids
  }
}

/** About 200 events a second of ten keys, until `end`, which resolves with how many. */
function publishing(broadcaster: Broadcaster): { end(): Promise<number> } {
  let isOver = false
  const plant = planting(broadcaster)
  const all = (async () => {
    let count = 0
    for (; !isOver; count += 10) {
      await plant('drill.live', 'live', 10, 10)
      await pause(50)
    }
    return count
  })()
  return {
    end() {
      isOver = true
      return all
    },
  }
}

async function settled(broadcaster: Broadcaster): Promise<void> {
  for (const end = performance.now() + (FULL ? 600_000 : 60_000); ; await pause(100)) {
    const left = await broadcaster.admin.count({ status: ['pending', 'retry', 'processing'] })
    if (left === 0) return
    assert.ok(performance.now() < end, `${left} events are not settled`)
  }
}

/** From insert to settle, in ms, of the events that had nothing to do with it. */
async function waitsOf(broadcaster: Broadcaster) {
  const waits: number[] = []
  for await (const { createdAt, publishedAt } of broadcaster.admin.filter({ eventType: 'drill.live' }).iterate()) {
    waits.push(Number(publishedAt) - Number(createdAt))
  }
  waits.sort((a, b) => a - b)
  return { median: waits[Math.floor(waits.length / 2)], most: waits[Math.floor(waits.length * 0.99)] }
}
