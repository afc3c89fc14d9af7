import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { createClient } from 'redis'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { requireServer } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'
import { LaneWatch } from './lane-watch.ts'
import type { WorkerTask } from './worker-process.ts'

const EVENTS = 20_000
const KEYS = 200
const WORKERS = 3
const KILL_EVERY = 2_000
const LEAST_KILLS = 5
const LEASE = 10_000
/**
 * How long the lanes of a killed worker may wait, as docs/guarantees.md has it. Most wait for its lease and a heartbeat;
 * `test/relay/deaths-in-a-row.test.ts` shows why some wait longer while others go on dying.
 */
const OWNED_WITHIN = LEASE * 2
const SIZES = { batchSize: 50, concurrency: 2, maxInHand: 200 }

// Two at a time: most of it is waiting for leases to end.
describe('killed workers', { concurrency: 2 }, () => {
  for (const kind of PLACED_STORES) {
    test(`three workers on ${kind.name}, one killed every 2 s: nothing lost, every key in order, lanes owned again`, async (t) => {
      const broker = requireServer(t, 'redis')
      if (!broker || (kind.server !== undefined && !requireServer(t, kind.server))) return
      const { place, store, look, close } = await kind.open()
      const stream = `faults_${randomUUID().slice(0, 8)}`
      const redis = redisAt(broker.url)
      await redis.connect()
      const children = new Map<string, ChildProcess>()
      let born = 0

      const start = async (): Promise<void> => {
        const name = `worker-${++born}`
        const task: WorkerTask = { name, place, redisUrl: broker.url, stream, ...SIZES }
        const child = fork(new URL('./worker-process.ts', import.meta.url), [JSON.stringify(task)])
        children.set(name, child)
        await Promise.race([
          once(child, 'message'),
          once(child, 'exit').then(() => Promise.reject(new Error(`${name} ended before it started`))),
        ])
      }
      /** Kills the worker that has worked longest; another starts in its place. */
      const killOne = async (watch: LaneWatch): Promise<void> => {
        const [name, child] = children.entries().next().value ?? []
        if (name === undefined || child === undefined) return
        children.delete(name)
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
        await watch.died(name)
        await start()
      }

      try {
        await using broadcaster = new Broadcaster({ store, backends: { default: eachEvent(() => undefined) } })
        await broadcaster.store.schema.migrate()
        await Promise.all(Array.from({ length: WORKERS }, start))
        const watch = new LaneWatch(look)

        let kills = 0
        const publishing = publish(broadcaster, () => kills >= LEAST_KILLS)
        for (let busy = true; busy; kills++) {
          busy = await Promise.race([publishing.then(() => false), pause(KILL_EVERY).then(() => true)])
          await killOne(watch)
        }
        const published = await publishing
        await redisHas(redis, stream, published)
        await watch.settle(LEASE + 5_000)
        const pending = await broadcaster.events.exclude({ status: 'published' }).count()

        const judged = judgeDeliveries(await readStream(redis, stream), published, KEYS)
        const inFlight = kills * SIZES.maxInHand
        t.diagnostic(
          `${kills} workers killed; ${published} events, ${judged.lost} lost, ${judged.disordered} out of order, ` +
            `${judged.duplicates} duplicates (at most ${inFlight} were in flight); ` +
            `a lane waited at most ${(watch.longest / 1_000).toFixed(1)} s for a new owner`,
        )
        assert.equal(judged.lost, 0)
        assert.equal(judged.disordered, 0)
        assert.ok(judged.duplicates <= inFlight, `${judged.duplicates} duplicates`)
        assert.ok(watch.longest <= OWNED_WITHIN, `a lane waited ${watch.longest} ms`)
        assert.equal(pending, 0)
        assert.equal(await broadcaster.events.filter({ status: 'failed' }).count(), 0)
      } finally {
        const ended = [...children.values()].map((child) => {
          const exit = once(child, 'exit')
          child.send('stop')
          return exit
        })
        await Promise.all(ended)
        await redis.del(stream)
        redis.destroy()
        await close()
      }
    })
  }
})

const redisAt = (url: string) => createClient({ url })
type Redis = ReturnType<typeof redisAt>

/** About 1,000 events a second in transactions of 20, so that every kill hits running work; EVENTS, or until `mayEnd`. */
async function publish(broadcaster: Broadcaster, mayEnd: () => boolean): Promise<number> {
  const counters = new Map<string, number>()
  let done = 0
  for (; done < EVENTS || !mayEnd(); done += 20) {
    const events = Array.from({ length: 20 }, (_, n) => {
      const partitionKey = `key-${(done * 7 + n * 13) % KEYS}`
      const count = (counters.get(partitionKey) ?? 0) + 1
      counters.set(partitionKey, count)
      return { type: 'fault.tested', source: '/faults', data: { count }, partitionKey }
    })
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
    await pause(15)
  }
  return done
}

/** Waits until the stream has every event, looked at each time an entry comes; rejects when none comes for 60 s. */
async function redisHas(redis: Redis, stream: string, count: number): Promise<void> {
  const seen = new Set<string>()
  for (let after = '0'; seen.size < count; ) {
    const answer = await redis.xRead({ key: stream, id: after }, { COUNT: 5_000, BLOCK: 60_000 })
    const messages = answer?.[0]?.messages ?? []
    if (messages.length === 0) throw new Error(`${seen.size} of ${count} events arrived, and none for 60 s`)
    for (const { id, message } of messages) {
      after = id
      seen.add(message['event_id'] ?? '')
    }
  }
}

async function readStream(redis: Redis, stream: string): Promise<Delivery[]> {
  const entries = await redis.xRange(stream, '-', '+')
  return (entries ?? []).map(({ message }: { readonly message: Record<string, string> }) => {
    const event = JSON.parse(message['cloud_event'] ?? '{}') as { partitionkey: string; data: { count: number } }
    return { key: event.partitionkey, count: event.data.count }
  })
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
