import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { own } from '../../src/testing/store/steps.ts'
import { STORES } from '../support/stores.ts'
import { dataOf, TestOutbox } from './outbox.ts'

const gate = () => Promise.withResolvers<void>()

for (const { name, skip, open } of STORES) {
  describe(`operators and workers at one time on ${name}`, { skip }, () => {
    for (const action of ['cancel', 'delete'] as const) {
      test(`${action}: what is being sent is too late, what is not is never sent`, async () => {
        const { store, close } = await open()
        {
          await using outbox = new TestOutbox({}, store)
          const [started, held] = [gate(), gate()]
          outbox.backend.behaviour = async () => {
            started.resolve()
            await held.promise
            return delivered
          }
          const events = await outbox.publish(['a', 'a', 'a'])
          const ids = events.map(({ id }) => id)
          await outbox.broadcaster.worker({ batchSize: 1, concurrency: 1 }).start()
          await started.promise
          const acting = outbox.broadcaster.events[action](ids)
          await surveys(store, 2)
          held.resolve()
          const { moved, tooLate, unknown } = await acting
          assert.deepEqual(
            { moved: moved.toSorted(), tooLate, unknown },
            { moved: ids.slice(1).toSorted(), tooLate: ids.slice(0, 1), unknown: [] },
          )
          await outbox.publish(['a'])
          await outbox.until(() => outbox.heard('event.published').length === 2)
          assert.deepEqual(dataOf(outbox.backend.received), [1, 1])
          const left = await outbox.broadcaster.events.filter({ id: ids }).all()
          assert.deepEqual(
            left.map(({ id, status }) => `${id} ${status}`).toSorted(),
            ids
              .flatMap((id, n) => (n === 0 ? `${id} published` : action === 'cancel' ? `${id} cancelled` : []))
              .toSorted(),
          )
        }
        await close()
      })
    }

    test('an owner that does not answer: nothing is changed, and it is said', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        await own(store, { backend: 'main' })
        const [event] = await outbox.publish(['a'])
        const id = event?.id ?? ''
        for (const action of ['cancel', 'delete'] as const) {
          const result = await outbox.broadcaster.events[action](id, { patience: 30 })
          assert.deepEqual(result, { moved: [], tooLate: [], unknown: [id] })
        }
        assert.equal((await outbox.broadcaster.events.get(id)).status, 'pending')
        const { lanes } = await store.coordination.survey(['main'])
        assert.ok(
          lanes.every(({ holdLeft }) => holdLeft === null),
          'no lane stays held',
        )
      }
      await close()
    })

    test('an event that was sent before its owner took its hands off: no lane stays held', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        const { ownership } = await own(store, { backend: 'main' })
        const [event] = await outbox.publish(['a'])
        assert.ok(event?.lane !== undefined && event.lane !== null)
        const { id, lane } = event
        const acting = outbox.broadcaster.events.cancel(id, { patience: 60_000 })
        const held = async () =>
          (await store.coordination.survey(['main'])).lanes.some(({ holdLeft }) => holdLeft !== null)
        while (!(await held())) await new Promise((resolve) => setTimeout(resolve, 2))
        await store.relay.settle(ownership, [{ kind: 'published', generation: 0, id, lane }])
        assert.deepEqual(await acting, { moved: [], tooLate: [id], unknown: [] })
        assert.equal(await held(), false)
      }
      await close()
    })

    for (const action of ['requeue', 'cancel', 'delete', 'reschedule'] as const) {
      test(`${action} of an event between retries: those behind it come before newer ones`, async () => {
        const { store, close } = await open()
        {
          await using outbox = new TestOutbox({}, store)
          let refuse = true
          outbox.backend.behaviour = () => (refuse ? notDelivered(new Error('no')) : delivered)
          const [head] = await outbox.publish(['k', 'k', 'k', 'k', 'k'])
          const { events } = outbox.broadcaster
          await outbox.broadcaster.worker({ retry: { base: 3_600_000, jitter: 'none' }, pollInterval: 20 }).start()
          await outbox.until(() => outbox.heard('event.retried').length === 1)
          await untilAll(() => parkedOf(store), 5)
          refuse = false
          const id = head?.id ?? ''
          const acting = action === 'reschedule' ? events.reschedule(id, new Date(0)) : events[action](id)
          // Newer ones come in while the operator acts.
          const newer = Promise.all([outbox.publish(['k', 'k']), outbox.publish(['k'])])
          assert.deepEqual((await acting).moved, [id])
          await newer
          await outbox.publish(['k'])
          const stays = action === 'requeue' || action === 'reschedule'
          await outbox.until(() => outbox.heard('event.published').length === (stays ? 9 : 8))
          const seqs = outbox.backend.received.map(({ seq }) => seq ?? 0)
          assert.deepEqual(
            seqs,
            seqs.toSorted((a, b) => a - b),
            `${action}: in the order of insertion`,
          )
        }
        await close()
      })
    }

    test('a requeued dead letter goes first, then all that waited behind it, then newer ones', async () => {
      const { store, close } = await open()
      {
        await using outbox = new TestOutbox({}, store)
        let refuse = true
        outbox.backend.behaviour = () => (refuse ? notDelivered(new Error('no')) : delivered)
        const keys = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6']
        const heads = await outbox.publish(keys, { maxRetries: 1 })
        await outbox.publish(keys.flatMap((key) => [key, key, key, key]))
        await outbox.broadcaster.worker({ pollInterval: 20 }).start()
        await outbox.until(() => outbox.heard('event.failed').length === 6)
        await untilAll(() => parkedOf(store), 24)
        refuse = false
        const requeue = outbox.broadcaster.events.requeue(heads.map(({ id }) => id))
        for (let n = 0; n < 5; n++) await outbox.publish(keys)
        assert.equal((await requeue).moved.length, 6)
        await outbox.publish(keys)
        await outbox.until(() => outbox.heard('event.published').length === 6 * 11)
        for (const key of keys) {
          const seqs = outbox.backend.received.filter((event) => event.partitionKey === key).map(({ seq }) => seq ?? 0)
          assert.deepEqual(
            seqs,
            seqs.toSorted((a, b) => a - b),
            key,
          )
        }
      }
      await close()
    })
  })
}

type Outboxed = Parameters<typeof own>[0]

/** Resolves when the worker has looked at its lanes so often from now on. */
async function surveys(store: Outboxed, times: number): Promise<void> {
  const { survey } = store.coordination
  const done = gate()
  let left = times
  store.coordination.survey = async (backends) => {
    if (--left < 0) done.resolve()
    return survey(backends)
  }
  await done.promise
}

async function parkedOf(store: Outboxed): Promise<number> {
  return store.admin.count([
    { column: 'availableAt', op: 'isNull', value: false },
    { column: 'status', op: 'ne', value: 'failed' },
  ])
}

async function untilAll(count: () => Promise<number>, wanted: number): Promise<void> {
  for (let n = 0; (await count()) !== wanted; n++) {
    assert.ok(n < 1_000, `never ${wanted}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
