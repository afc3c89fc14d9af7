import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError } from '../../src/backend/send-error.ts'
import type { Store } from '../../src/store/store.ts'
import { STORES } from '../support/stores.ts'
import { dataOf, recordingBackend, TestOutbox } from './outbox.ts'

/** The store, and a way to wait until each of two workers has looked at pauses after now. */
function watched(store: Store): { readonly store: Store; noticed(): Promise<void> } {
  const looks = new Set<() => void>()
  const survey: Store['coordination']['survey'] = async (backends) => {
    const here = [...looks]
    const seen = await store.coordination.survey(backends)
    for (const look of here) look()
    return seen
  }
  return {
    store: { ...store, coordination: { ...store.coordination, survey } },
    async noticed() {
      let left = 4
      const { promise, resolve } = Promise.withResolvers<void>()
      const look = (): void => void (--left === 0 && resolve())
      looks.add(look)
      await promise
      looks.delete(look)
      await setImmediate()
    },
  }
}

for (const { name, skip, open } of STORES) {
  describe(`a paused backend: ${name}`, { skip }, () => {
    test('is sent nothing by any worker, others go on, and then all goes out in order', async (t) => {
      const opened = await open()
      t.after(opened.close)
      const { store, noticed } = watched(opened.store)
      const other = recordingBackend()
      await using outbox = new TestOutbox({ other }, store)
      const { broadcaster, backend: main } = outbox
      const workers = [broadcaster.worker({ lease: 2_000 }), broadcaster.worker({ lease: 2_000 })]
      for (const worker of workers) await worker.start()
      const sending = Promise.withResolvers<void>()
      const answer = Promise.withResolvers<void>()
      main.behaviour = async () => {
        sending.resolve()
        await answer.promise
        return delivered
      }
      await outbox.publish(['k'])
      await sending.promise
      assert.equal(await broadcaster.admin.pause('main', { by: 'ops', reason: 'their window' }), true)
      await noticed()
      answer.resolve()
      // What was in flight is recorded as it ended.
      await outbox.until(() => outbox.heard('event.published').length === 1)
      const keys = Array.from({ length: 40 }, (_, n) => `k${n % 5}`)
      await outbox.publish(keys)
      await outbox.publish(keys, { backend: 'other' })
      await outbox.until(() => other.received.length === 40)
      await noticed()
      assert.equal(main.received.length, 1)
      const status = await broadcaster.status()
      const seen = status.backends.find(({ backend }) => backend === 'main')
      assert.deepEqual([seen?.paused?.by, seen?.paused?.reason, seen?.lag], ['ops', 'their window', null])
      assert.deepEqual([seen?.waiting.count, seen?.stuck.count], [40, 40])
      assert.ok(status.findings.some(({ code }) => code === 'backend-paused'))
      // A drain keeps to it, too.
      assert.equal(await broadcaster.processPendingEvents(), 0)
      assert.equal(await broadcaster.admin.resume('main', { by: 'ops' }), true)
      await outbox.until(() => main.received.length === 41)
      for (const key of new Set(keys)) {
        const numbers = dataOf(main.received, key).map(Number)
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
        )
        assert.equal(numbers.length, 8)
      }
      await outbox.until(() => outbox.heard('event.published').length === 81)
      for (const event of await broadcaster.events.all()) assert.equal(event.retryCount, 0)
    })

    test('is told of by the status before any event and any worker has named it', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin } = outbox.broadcaster
      await admin.pause('main', { by: 'ops', reason: 'not yet' })
      const { backends, findings } = await admin.status()
      assert.deepEqual(
        backends.map(({ backend, paused }) => [backend, paused?.by, paused?.reason]),
        [['main', 'ops', 'not yet']],
      )
      assert.ok(findings.some(({ code }) => code === 'backend-paused'))
    })

    test('costs an event nothing that fails while it is in flight, and opens no breaker', async (t) => {
      const opened = await open()
      t.after(opened.close)
      const { store, noticed } = watched(opened.store)
      await using outbox = new TestOutbox({}, store)
      const { broadcaster, backend: main } = outbox
      for (const worker of [broadcaster.worker({ lease: 2_000 }), broadcaster.worker({ lease: 2_000 })])
        await worker.start()
      const sending = Promise.withResolvers<void>()
      const answer = Promise.withResolvers<void>()
      main.behaviour = async () => {
        sending.resolve()
        await answer.promise
        return notDelivered(new OutageError('away'))
      }
      await outbox.publish(['k', 'k', 'l'])
      await sending.promise
      await broadcaster.admin.pause('main')
      await noticed()
      answer.resolve()
      await noticed()
      assert.equal(outbox.heard('backend.down').length, 0)
      assert.deepEqual(await broadcaster.admin.openBreakers(), [])
      main.behaviour = () => delivered
      await broadcaster.admin.resume('main')
      await outbox.until(() => main.received.length === 3)
      assert.deepEqual(dataOf(main.received, 'k'), [1, 2])
      await outbox.until(() => outbox.heard('event.published').length === 3)
      for (const event of await broadcaster.events.all()) assert.equal(event.retryCount, 0)
    })
  })
}

test('a name that nobody configured, or that is no name, is refused', async () => {
  await using outbox = new TestOutbox()
  const { admin } = outbox.broadcaster
  await assert.rejects(admin.pause('mian'), { code: 'UNKNOWN_BACKEND', field: 'backend', message: /main/ })
  await assert.rejects(admin.resume('mian'), { code: 'UNKNOWN_BACKEND' })
  await assert.rejects(admin.pause('main', { by: ' ' }), { code: 'INVALID_OPTION', field: 'by' })
  await assert.rejects(admin.pause('main', { reason: 'x'.repeat(1_001) }), { code: 'INVALID_OPTION', field: 'reason' })
  assert.deepEqual(await admin.pauses(), [])
})
