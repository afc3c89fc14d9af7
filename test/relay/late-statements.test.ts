/** A statement that was given up for lost runs on the server after all, later: the bytes were on the way. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { BroadcasterError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { STORES } from '../support/stores.ts'
import { dataOf, TestOutbox } from './outbox.ts'

const gate = () => Promise.withResolvers<void>()
const lost = () => new BroadcasterError('STORE_UNAVAILABLE', 'the answer did not come')

for (const { name, skip, open } of STORES) {
  describe(`statements that run late on ${name}`, { skip }, () => {
    test('an answer to an operator that runs late does not answer the next operator', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        const [first, second, go, over] = [gate(), gate(), gate(), gate()]
        outbox.backend.behaviour = async ({ data }) => {
          if (data === 1) {
            first.resolve()
            await go.promise
          } else {
            second.resolve()
            await over.promise
          }
          return delivered
        }
        const { quiet } = store.coordination
        const [asked, given] = [gate(), gate()]
        let late: (() => Promise<unknown>) | undefined
        store.coordination.quiet = async (...args) => {
          if (late !== undefined) return quiet(...args)
          late = () => quiet(...args)
          asked.resolve()
          await given.promise
          throw lost()
        }
        const [, event] = await outbox.publish(['a', 'a'])
        const id = event?.id ?? ''
        await outbox.broadcaster.worker({ batchSize: 1, concurrency: 1 }).start()
        await first.promise
        const hushed = surveys(store, 2)
        const acting = outbox.broadcaster.events.cancel(id, { patience: 1_000 })
        await hushed
        go.resolve()
        await asked.promise
        assert.deepEqual(await acting, { moved: [], tooLate: [], unknown: [id] })
        given.resolve()
        await second.promise
        const { hold } = store.admin
        store.admin.hold = async (...args) => {
          const holds = await hold(...args)
          await late?.()
          return holds
        }
        const again = outbox.broadcaster.events.cancel(id, { patience: 5_000 })
        setTimeout(over.resolve, 500)
        assert.deepEqual(await again, { moved: [], tooLate: [id], unknown: [] }, 'it is being sent')
        await outbox.until(() => outbox.heard('event.published').length === 2)
      }
      await close()
    })

    test('an outcome that is recorded late changes nothing of what came after it', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        const [second, go] = [gate(), gate()]
        let failures = 0
        let outages = 0
        outbox.backend.behaviour = async ({ data, partitionKey }) => {
          if (partitionKey !== 'a') return delivered
          if (data === 1 && failures++ === 0) return notDelivered(new Error('no'))
          if (data === 2 && outages++ === 0) {
            second.resolve()
            await go.promise
            return notDelivered(new OutageError('away'))
          }
          return delivered
        }
        const { settle } = store.relay
        let late: (() => Promise<unknown>) | undefined
        store.relay.settle = async (ownership, outcomes) => {
          if (late !== undefined || !outcomes.some(({ kind }) => kind === 'park')) return settle(ownership, outcomes)
          late = () => settle(ownership, outcomes)
          throw lost()
        }
        await outbox.publish(['a', 'a'])
        await outbox.broadcaster.worker({ retry: { base: 1_000, jitter: 'none' } }).start()
        await second.promise
        await late?.()
        go.resolve()
        await outbox.publish(['a', 'a', 'a'])
        await outbox.until(() => outbox.heard('event.published').length === 5)
        const seqs = outbox.backend.received.map(({ seq }) => seq ?? 0)
        assert.deepEqual(
          seqs,
          seqs.toSorted((a, b) => a - b),
          `in the order of insertion, not ${dataOf(outbox.backend.received)}`,
        )
      }
      await close()
    })
  })
}

/** Resolves when the worker has looked at its lanes so often from now on. */
async function surveys(store: Store, times: number): Promise<void> {
  const { survey } = store.coordination
  const done = gate()
  let left = times
  store.coordination.survey = async (backends) => {
    if (--left < 0) done.resolve()
    return survey(backends)
  }
  await done.promise
}
