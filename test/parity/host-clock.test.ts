import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { RetryAfterError } from '../../src/backend/send-error.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { STORES } from '../support/stores.ts'

const HOUR = 3_600_000
const WAIT = 250

for (const kind of STORES) {
  // The clock of the memory store is that of its host.
  if (kind.name === 'memory') continue
  for (const [title, error] of [
    ['an hour behind', -HOUR],
    ['an hour ahead', HOUR],
  ] as const) {
    describe(`a host whose clock is ${title}, on ${kind.name}`, { skip: kind.skip }, () => {
      test("due times, retries and leases keep the database's time", async (t) => {
        const { store, close } = await kind.open()
        const backend = memoryBackend()
        backend.faults.fail({ subject: 'retried' }, new RetryAfterError('later', { retryAfter: WAIT }), 1)
        const name = `clock-${randomUUID()}`
        const renewed = Promise.withResolvers<boolean>()
        const coordination: Store['coordination'] = {
          ...store.coordination,
          async renew(...asked) {
            const answer = await store.coordination.renew(...asked)
            renewed.resolve(answer)
            return answer
          },
        }
        const broadcaster = new Broadcaster({ store: { ...store, coordination }, name, backends: { default: backend } })
        t.after(async () => {
          await broadcaster.close()
          await close()
        })
        const before = Date.now()
        t.mock.timers.enable({ apis: ['Date'], now: before + error })
        const delays: number[] = []
        const lost: string[] = []
        const stops = [
          onSignal('event.retried', (said) => void (said.outbox === name && delays.push(said.delay))),
          onSignal('lane.lost', (said) => void (said.outbox === name && lost.push(said.reason))),
        ]
        t.after(() => {
          for (const stop of stops) stop()
        })
        const make = (subject: string, delay = 0) =>
          broadcaster.events.create({ type: 't', source: '/s', subject }, { delay })
        const started = performance.now()
        const delayed = await make('delayed', WAIT)
        await make('retried')
        const worker = broadcaster.worker({ retry: { base: WAIT, jitter: 'none' }, lease: 20_000 })
        await worker.start()
        await backend.waitFor(2)
        assert.ok(performance.now() - started >= WAIT, 'not before its time')
        assert.ok(performance.now() - started < 20_000, 'not an hour later')
        assert.equal(await renewed.promise, true)
        await worker.stop()
        assert.deepEqual(delays, [WAIT])
        assert.ok(!lost.includes('lease-ended'))
        // The times in the row are the database's.
        const { createdAt, scheduledAt } = await broadcaster.events.get(delayed.id)
        assert.ok(Math.abs(createdAt.getTime() - before) < 60_000)
        assert.equal(scheduledAt.getTime() - createdAt.getTime(), WAIT)
      })
    })
  }
}
