import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { requireServer } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { judgeDeliveries } from './judge-deliveries.ts'
import { readStream } from './read-stream.ts'

/** `npm run faults` runs it in full, on PostgreSQL. */
const FULL = process.env['BROADCASTER_FULL'] === '1'
/** Published events of the type that is replayed; a fifth as many are of another. */
const EVENTS = FULL ? 50_000 : 2_500
const KEYS = 200
/** Events a second. */
const RATE = 1_000
/** A step moves this many at once, and what a late one missed within a second is made up. */
const AT_ONCE = 500 + RATE
const STORES = PLACED_STORES.filter(({ name }) => (FULL ? name === 'postgres' : name !== 'mysql'))

describe('replay all of a type to another backend', { concurrency: 3 }, () => {
  for (const kind of STORES) {
    test(`${EVENTS} events on ${kind.name} at ${RATE} a second: marked, in order, and handled by nobody again`, async (t) => {
      const broker = requireServer(t, 'redis')
      if (!broker || (kind.server !== undefined && !requireServer(t, kind.server))) return
      const { url } = broker
      const { store, close } = await kind.open()
      const first = `replay_${randomUUID().slice(0, 8)}`
      const second = `${first}_again`
      const redis = createClient({ url })
      await redis.connect()
      t.after(async () => {
        await redis.del([first, second])
        redis.destroy()
        await close()
      })
      await store.schema.migrate()
      const name = `outbox-${first}`
      await using broadcaster = new Broadcaster({
        ...{ store, name, logger: false },
        backends: {
          default: redisStreams({ url, stream: first, trim: false }),
          archive: redisStreams({ url, stream: second, trim: false }),
        },
        worker: { retention: false },
      })
      const { admin } = broadcaster
      let handled = 0
      let again = 0
      const consumer = `ledger-${first}`
      const stop = onSignal('delivery.duplicate', (message) => {
        if (message.consumer === consumer) again++
      })
      t.after(stop)
      const receive = (stream: string) =>
        new Consumer({
          ...{ name: consumer, store, concurrency: 8, logger: false },
          subscription: redisStreamsSubscription({ url, stream }),
          handlers: { 'drill.*': () => void handled++ },
        })

      await using ofFirst = receive(first)
      await ofFirst.start()
      await broadcaster.worker().start()
      await publish(broadcaster)
      const all = EVENTS + EVENTS / 5
      await until(
        () => handled === all,
        () => `${handled} of ${all} are handled`,
      )
      await until(
        async () => (await admin.count({ status: 'published' })) === all,
        () => 'not all are settled',
      )

      await using ofSecond = receive(second)
      await ofSecond.start()
      const filter = { eventType: 'drill.replayed', publisherBackend: 'default' }
      assert.equal((await admin.preview('replay', filter)).matches, EVENTS)
      const { id } = await admin.operations.start({ do: 'replay', filter, to: 'archive', rate: RATE, by: 'ops' })
      const samples: { readonly at: number; readonly moved: number }[] = []
      await until(
        async () => {
          const { state, moved } = await admin.operations.get(id)
          samples.push({ at: performance.now(), moved })
          return state === 'done'
        },
        () => `${samples.at(-1)?.moved} are replayed`,
      )
      const { moved, leftAlone } = await admin.operations.get(id)
      assert.deepEqual([moved, leftAlone], [EVENTS, 0])
      for (const [n, later] of samples.entries()) {
        const earlier = samples[Math.max(0, n - 100)] ?? later
        const most = (RATE * (later.at - earlier.at)) / 1_000 + AT_ONCE
        assert.ok(later.moved - earlier.moved <= most, `${later.moved - earlier.moved} moved, ${most} at most`)
      }
      const from = samples.find((sample) => sample.moved > 0)
      const to = samples.find((sample) => sample.moved === EVENTS)
      const rate = from && to ? ((to.moved - from.moved) / (to.at - from.at)) * 1_000 : 0
      if (FULL) assert.ok(rate > RATE * 0.95 && rate < RATE * 1.05, `${rate} a second`)

      await until(
        () => again >= EVENTS,
        () => `${again} of ${EVENTS} came again`,
      )
      const sent = await readStream(redis, second)
      assert.ok(sent.every(({ replay, type }) => replay === id && type === 'drill.replayed'))
      const { lost, disordered, duplicates } = judgeDeliveries(sent, EVENTS, KEYS)
      assert.deepEqual({ lost, disordered, duplicates }, { lost: 0, disordered: 0, duplicates: 0 })
      const originals = new Set((await readStream(redis, first)).map((entry) => entry.id))
      assert.ok(
        sent.every((entry) => originals.has(entry.id)),
        'the ids are those of the originals',
      )
      assert.equal(handled, all, 'no handler is called again')

      // The control: an event that it has not had is handled.
      await broadcaster.transaction((tx) =>
        broadcaster.publish(tx, { type: 'drill.new', source: '/drill', data: { count: 1 } }, { backend: 'archive' }),
      )
      await until(
        () => handled === all + 1,
        () => 'the new one is not handled',
      )
      const [entry] = await admin.audit({ operation: id })
      assert.deepEqual(
        [entry?.what, entry?.who, entry?.outcome, entry?.counts.moved],
        ['replay', 'ops', 'done', EVENTS],
      )
      t.diagnostic(
        `${EVENTS} replayed, ${Math.round(rate)} a second; 0 lost, 0 out of order; ${again} known to the inbox, 0 handled again`,
      )
    })
  }
})

/** Both types, in turn, so that each key has some of both; counted within the type. */
async function publish(broadcaster: Broadcaster): Promise<void> {
  const plant = async (type: string, from: number, count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, n) => ({
      ...{ type, source: '/drill', data: { count: Math.floor((from + n) / KEYS) + 1 } },
      partitionKey: `key-${(from + n) % KEYS}`,
    }))
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
  }
  for (let done = 0; done < EVENTS; done += 500) {
    await plant('drill.replayed', done, 500)
    await plant('drill.other', done / 5, 100)
  }
}

async function until(holds: () => boolean | Promise<boolean>, wait: () => string): Promise<void> {
  for (const end = performance.now() + 180_000; !(await holds()); await pause(20)) {
    assert.ok(performance.now() < end, wait())
  }
}
