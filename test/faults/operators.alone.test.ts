import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { requireServer } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { type Action, OperatorLog } from './operator-log.ts'
import type { OperatorWorkerTask } from './operator-worker-process.ts'

/** `npm run faults` runs it in full. */
const FULL = process.env['BROADCASTER_FULL'] === '1'
const EVENTS = FULL ? 30_000 : 2_000
/** Each acts on events of its own, so that the order of the answers is that of the moves. */
const OPERATORS = 4
const KEYS = 200
const WORKERS = 3
const KILL_EVERY = 3_000
const LEASE = 2_000
const ACTIONS: readonly Action[] = ['requeue', 'requeue', 'replay', 'skip', 'cancel', 'delete', 'reschedule']

/*
 * 200 keys and three workers, of which one is killed every 3 s; answers of the broker and of the store get lost, so that
 * events are retried and fail; retention deletes what was published 2 s ago; and an operator does everything that can be
 * done to random events. Judged by the stream, the table and what the actions returned.
 */
describe('operators, workers, retention and deaths at one time', () => {
  for (const kind of PLACED_STORES.filter(({ name }) => name !== 'mysql')) {
    test(`on ${kind.name}: nothing lost, every key in order, each id's last word is what was answered`, async (t) => {
      const broker = requireServer(t, 'redis')
      if (!broker || (kind.server !== undefined && !requireServer(t, kind.server))) return
      const { place, store, close } = await kind.open()
      const stream = `operators_${randomUUID().slice(0, 8)}`
      const redis = createClient({ url: broker.url })
      await redis.connect()
      const children = new Set<ChildProcess>()
      const log = new OperatorLog()
      let born = 0
      let refusals = 4

      const start = async (): Promise<void> => {
        const task: OperatorWorkerTask = {
          name: `worker-${++born}`,
          place,
          redisUrl: broker.url,
          stream,
          lease: LEASE,
          refusals,
        }
        const child = fork(new URL('./operator-worker-process.ts', import.meta.url), [JSON.stringify(task)])
        child.on('message', (message: { readonly givenUp?: readonly string[] }) => log.gaveUp(message.givenUp ?? []))
        children.add(child)
        await Promise.race([
          once(child, 'message'),
          once(child, 'exit').then(() => Promise.reject(new Error(`${task.name} ended before it started`))),
        ])
      }
      const killOne = async (): Promise<void> => {
        const [child] = children
        if (child === undefined) return
        children.delete(child)
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
        await start()
      }

      try {
        await using broadcaster = new Broadcaster({
          store,
          logger: false,
          backends: { default: eachEvent(() => undefined) },
        })
        const { events } = broadcaster
        await store.schema.migrate()
        await Promise.all(Array.from({ length: WORKERS }, start))

        let done = false
        const publishing = publish(broadcaster, log)
        const killing = (async () => {
          for (let kills = 0; ; kills++) {
            await pause(KILL_EVERY)
            if (done) return kills
            await killOne()
          }
        })()
        const act = async (operator: number): Promise<void> => {
          const recent = log.ids.slice(-600).filter((id) => Number.parseInt(id.slice(-1), 16) % OPERATORS === operator)
          const chosen = Array.from({ length: 5 }, () => recent[Math.floor(Math.random() * recent.length)] ?? '')
          const target = [...new Set(chosen.filter((id) => id !== ''))]
          if (target.length === 0) return pause(20)
          const action = ACTIONS[Math.floor(Math.random() * ACTIONS.length)] ?? 'requeue'
          const before = await redis.xLen(stream)
          const result =
            action === 'reschedule'
              ? await events.reschedule(target, new Date(Date.now() + Math.random() * 600 - 300))
              : await events[action](target)
          // A replay may be sent before we hear of it; what was cancelled or deleted must not be sent after.
          log.answered(action, result, action === 'replay' ? before : await redis.xLen(stream))
        }
        const operating = Promise.all(
          Array.from({ length: OPERATORS }, async (_, operator) => {
            while (!done) {
              await act(operator)
              await pause(5)
            }
          }),
        )
        try {
          await publishing
        } finally {
          done = true
        }
        await operating
        const kills = await killing
        // From here on nothing fails: what has failed for good is requeued, until all is settled.
        refusals = 0
        for (let n = 0; n < WORKERS; n++) await killOne()
        for (let rounds = 0; ; rounds++) {
          await events.requeue({ status: 'failed' })
          const left = await events.filter({ status: ['pending', 'retry', 'processing', 'failed'] }).count()
          if (left === 0) break
          assert.ok(rounds < 600, `${left} events are not settled after a minute`)
          await pause(100)
        }

        const sent = await readStream(redis, stream)
        const statuses = new Map<string, string>()
        for await (const event of events.iterate()) statuses.set(event.id, event.status)
        const { lost, late, wrong, disordered } = log.judge(sent, statuses)
        t.diagnostic(
          `${log.ids.length} events, ${kills} kills, ${JSON.stringify(log.answers)}, ${sent.length} sends, ` +
            `${lost} lost, ${disordered.length} out of order, ${wrong.length} last words broken, ${late} late bytes`,
        )
        assert.deepEqual(
          { lost, wrong: wrong.slice(0, 10), disordered: disordered.slice(0, 10) },
          { lost: 0, wrong: [], disordered: [] },
        )
        assert.ok(log.answers.moved > 20, 'the operators did something')
      } finally {
        await Promise.all(
          [...children].map((child) => {
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

/** In transactions of 20, as fast as about 600 events a second. */
async function publish(broadcaster: Broadcaster, log: OperatorLog): Promise<void> {
  const counters = new Map<string, number>()
  for (let done = 0; done < EVENTS; done += 20) {
    const inputs = Array.from({ length: 20 }, (_, n) => {
      const partitionKey = `key-${(done * 7 + n * 13) % KEYS}`
      const count = (counters.get(partitionKey) ?? 0) + 1
      counters.set(partitionKey, count)
      return { type: 'fault.tested', source: '/faults', data: { count }, partitionKey }
    })
    const stored = await broadcaster.transaction((tx) => broadcaster.publishMany(tx, inputs, { maxRetries: 3 }))
    for (const [n, { id }] of stored.entries())
      log.published(id, inputs[n]?.partitionKey ?? '', inputs[n]?.data.count ?? 0)
    await pause(30)
  }
}

async function readStream(redis: { xRange(key: string, from: string, to: string): Promise<unknown> }, stream: string) {
  const entries = (await redis.xRange(stream, '-', '+')) as readonly { readonly message: Record<string, string> }[]
  return entries.map(({ message }, at) => ({ id: message['event_id'] ?? '', at }))
}
