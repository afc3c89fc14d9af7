/** A statement that was given up for lost runs on the server after all, later: the bytes were on the way. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import { BroadcasterError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { read, until } from '../../src/testing/store/steps.ts'
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
        // Longer than three looks take on a busy machine: the hold must still be there when the first event ends.
        const acting = outbox.broadcaster.events.cancel(id, { patience: 4_000 })
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
        inOrder(outbox)
      }
      await close()
    })

    test('what an unpark brings back late comes before newer events of its key', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        let failures = 0
        outbox.backend.behaviour = async ({ data }) =>
          data === 1 && failures++ === 0 ? notDelivered(new Error('no')) : delivered
        const { unpark } = store.relay
        const [asked, run] = [gate(), gate()]
        let late: Promise<unknown> | undefined
        store.relay.unpark = async (...given) => {
          if (late !== undefined || outbox.heard('event.retried').length === 0) return unpark(...given)
          late = run.promise.then(() => unpark(...given))
          asked.resolve()
          throw lost()
        }
        await outbox.publish(['a', 'a', 'a'])
        await outbox.broadcaster.worker().start()
        await asked.promise
        await outbox.publish(['a', 'a', 'a'])
        run.resolve()
        await late
        await outbox.until(() => outbox.heard('event.published').length === 6)
        inOrder(outbox)
      }
      await close()
    })

    test('a head that a late statement brings back alone does not go before what waits behind it', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        let failures = 0
        outbox.backend.behaviour = async ({ data }) =>
          data === 1 && failures++ === 0 ? notDelivered(new Error('no')) : delivered
        const { reconcile, fetch, fetchFew } = store.relay
        let late: (() => Promise<unknown>) | undefined
        store.relay.reconcile = async (...given) => {
          if (late !== undefined) return reconcile(...given)
          late = () => reconcile(...given)
          throw lost()
        }
        let beforeRead = async (_after: number): Promise<void> => undefined
        // Before it starts: a worker keeps the ways to read that the store had then.
        store.relay.fetch = async (names, cursors, ...more) => {
          await beforeRead(Math.max(...cursors.map(({ after }) => after)))
          return fetch(names, cursors, ...more)
        }
        if (fetchFew !== undefined) {
          store.relay.fetchFew = async (names, after, ...more) => {
            await beforeRead(after)
            return fetchFew(names, after, ...more)
          }
        }
        const [head, follower] = await outbox.publish(['a', 'a'])
        const isParked = async (id = '') => (await read(store, id)).availableAt !== null
        await outbox.broadcaster.worker({ retry: { base: 2_000, jitter: 'none' }, reconcileInterval: 600_000 }).start()
        await until('both wait', async () => (await isParked(head?.id)) && (await isParked(follower?.id)))
        // After an unpark that found nothing due, and before a read from the head.
        const hasRun = gate()
        let isDone = false
        let isAlone = false
        beforeRead = async (after) => {
          if (isDone || after >= 0) return
          isDone = true
          await pause(2_100)
          await late?.()
          isAlone = !(await isParked(head?.id)) && (await isParked(follower?.id))
          await outbox.publish(['a'])
          hasRun.resolve()
        }
        await outbox.publish(['b'])
        await hasRun.promise
        assert.ok(isAlone, 'the head is back, and what waits behind it is not')
        await outbox.until(() => outbox.heard('event.published').length === 4)
        inOrder(outbox)
      }
      await close()
    })

    test('a mark that is recorded late is not seen on an event that is between retries', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        let failures = 0
        outbox.backend.behaviour = async ({ data }) =>
          data === 1 && failures++ === 0 ? notDelivered(new Error('no')) : delivered
        const [event] = await outbox.publish(['a', 'a'])
        const dead = await store.coordination.enter({ name: 'dead', backends: ['main'], lease: 200 })
        const { lanes } = await store.coordination.survey(['main'])
        await store.coordination.claim(dead, lanes)
        const { settle } = store.relay
        let late: (() => Promise<unknown>) | undefined
        store.relay.settle = async (ownership, outcomes) => {
          if (late !== undefined || !outcomes.some(({ kind }) => kind === 'sending')) return settle(ownership, outcomes)
          late = () => settle(ownership, outcomes)
          throw lost()
        }
        await outbox.broadcaster.worker({ retry: { base: 4_000, jitter: 'none' } }).start()
        await outbox.until(() => outbox.heard('event.retried').length === 1)
        await surveys(store, 2)
        await late?.()
        const record = await outbox.broadcaster.events.get(event?.id ?? '')
        assert.equal(record?.status, 'retry')
        assert.equal(record?.retryCount, 1)
        await outbox.until(() => outbox.heard('event.published').length === 2)
        inOrder(outbox)
      }
      await close()
    })
  })
}

function inOrder({ backend }: TestOutbox): void {
  const seqs = backend.received.filter(({ partitionKey }) => partitionKey === 'a').map(({ seq }) => seq ?? 0)
  const order = seqs.toSorted((a, b) => a - b)
  assert.deepEqual(seqs, order, `in the order of insertion, not ${dataOf(backend.received)}`)
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
