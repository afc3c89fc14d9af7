import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { TestOutbox } from '../relay/outbox.ts'
import { STORES } from '../support/stores.ts'

for (const { name, skip, open } of STORES) {
  describe(`the audit: ${name}`, { skip }, () => {
    test('has each action, with who, what, to what, how many and how it ended', async (t) => {
      const { store, close } = await open()
      t.after(close)
      await using outbox = new TestOutbox({}, store)
      const { admin, events } = outbox.broadcaster
      const ids = (await outbox.publish(['k', 'k', null])).map(({ id }) => id)
      const [first = '', second = ''] = ids
      await admin.cancel([first, second], { by: 'oncall', reason: 'wrong price' })
      await admin.requeue({ status: 'cancelled' }, { by: 'oncall' })
      await admin.cancel(first)
      await admin.reschedule([first, second], new Date(Date.now() + 60_000), { by: 'planner' })
      await admin.delete(second)
      await admin.pause('main', { by: 'oncall', reason: 'their window' })
      await admin.pause('main')
      await admin.resume('main', { by: 'oncall' })
      await admin.closeBreaker('main')
      await admin.purge({ published: 0, failed: 0, by: 'cleaner' })
      const told = (await admin.audit()).map(({ who, what, outcome, counts, operation }) => [
        ...[who, what, outcome, counts.moved, counts.leftAlone ?? 0, operation],
      ])
      assert.deepEqual(told.reverse(), [
        ['oncall', 'cancel', 'done', 2, 0, null],
        ['oncall', 'requeue', 'done', 2, 0, null],
        ['unknown', 'cancel', 'done', 1, 0, null],
        ['planner', 'reschedule', 'done', 1, 1, null],
        ['unknown', 'delete', 'done', 1, 0, null],
        ['oncall', 'pause', 'done', 1, 0, null],
        ['unknown', 'pause', 'done', 0, 0, null],
        ['oncall', 'resume', 'done', 1, 0, null],
        ['unknown', 'close-breaker', 'done', 0, 0, null],
        ['cleaner', 'purge', 'done', 1, 0, null],
      ])
      const oncalls = await admin.audit({ who: 'oncall', what: 'cancel' })
      assert.deepEqual(
        oncalls.map(({ reason }) => reason),
        ['wrong price'],
      )
      const about = await admin.audit({ event: first })
      assert.deepEqual(
        about.map(({ what }) => what),
        ['reschedule', 'cancel', 'cancel'],
      )
      assert.deepEqual(about.at(-1)?.target, { ids: [first, second] })
      const page = await admin.audit({ limit: 3 })
      const next = await admin.audit({ limit: 3, after: page.at(-1)?.id })
      assert.deepEqual(
        next.map(({ what }) => what),
        ['pause', 'pause', 'delete'],
      )
      // The application's own doings are in no audit.
      await events.cancel(first)
      assert.equal((await admin.audit()).length, 10)
      // What is refused was not begun.
      await assert.rejects(admin.requeue({}), { code: 'INVALID_OPTION' })
      await assert.rejects(admin.requeue(first, { by: '' }), { code: 'INVALID_OPTION', field: 'by' })
      await assert.rejects(admin.audit({ limit: 0 }), { code: 'INVALID_OPTION', field: 'limit' })
      assert.equal((await admin.audit()).length, 10)
    })
  })
}

test('an action that fails is there with what was done until then, and one that was ended says so', async () => {
  const store = memoryStore() as Store
  let calls = 0
  const broken: Store = {
    ...store,
    admin: {
      ...store.admin,
      move: (...given) => (++calls === 3 ? Promise.reject(new Error('away')) : store.admin.move(...given)),
    },
  }
  await using outbox = new TestOutbox({}, broken)
  const { admin } = outbox.broadcaster
  const ids = (await outbox.publish(Array.from({ length: 6 }, () => null))).map(({ id }) => id)
  await assert.rejects(admin.cancel(ids, { batch: 2 }), /away/)
  const [failed] = await admin.audit()
  assert.deepEqual([failed?.outcome, failed?.counts.moved, failed?.error], ['failed', 4, 'away'])
  const stop = new AbortController()
  await admin.requeue(ids, { batch: 2, signal: stop.signal, onProgress: () => stop.abort() })
  const [stopped] = await admin.audit()
  assert.deepEqual([stopped?.outcome, stopped?.counts.moved], ['stopped', 2])
})

test('an action goes on when its end cannot be written, and is not begun when its beginning cannot', async () => {
  const store = memoryStore() as Store
  const away = async (): Promise<never> => Promise.reject(new Error('away'))
  await using outbox = new TestOutbox({}, { ...store, audit: { ...store.audit, end: away } })
  const [event] = await outbox.publish([null])
  const id = event?.id ?? ''
  assert.deepEqual((await outbox.broadcaster.admin.cancel(id)).moved, [id])
  const [entry] = await outbox.broadcaster.admin.audit()
  assert.deepEqual([entry?.outcome, entry?.endedAt], ['running', null])
  const deaf = new Broadcaster({ store: { ...store, audit: { ...store.audit, begin: away } }, logger: false })
  await assert.rejects(deaf.admin.requeue(id), /away/)
  assert.equal((await deaf.admin.get(id)).status, 'cancelled')
  await deaf.close()
})
