import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered } from '../../src/backend/backend.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { QUICK, recordingBackend, TestOutbox } from './outbox.ts'

/** How long something takes, in ms. */
async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

test('stop takes stopTimeout at most, whatever the backend does', async () => {
  const begun = Promise.withResolvers<void>()
  const ends = Promise.withResolvers<typeof delivered>()
  const stuck = recordingBackend(() => {
    begun.resolve()
    return ends.promise
  })
  await using outbox = new TestOutbox({ main: stuck })
  const worker = outbox.broadcaster.worker({ ...QUICK, sendTimeout: 15_000, lease: 25_000, stopTimeout: 300 })
  await worker.start()
  await outbox.publish(['a'])
  await begun.promise
  const took = await timeOf(() => worker.stop())
  assert.ok(took >= 290 && took < 10_000, `${took} ms`)
  assert.equal(outbox.heard('worker.error').length, 1)
  ends.resolve(delivered)
})

test('stop takes stopTimeout at most, whatever the database does', async () => {
  const store = memoryStore({ lanes: 2 })
  await using outbox = new TestOutbox({}, store)
  const worker = outbox.broadcaster.worker({ ...QUICK, lease: 25_000, stopTimeout: 300 })
  await worker.start()
  const { leave } = store.coordination
  const answers = Promise.withResolvers<void>()
  const slow = async (id: string): Promise<void> => {
    await answers.promise
    await leave.call(store.coordination, id)
  }
  Object.assign(store.coordination, { leave: slow })
  const took = await timeOf(() => worker.stop())
  assert.ok(took >= 290 && took < 10_000, `${took} ms`)
  answers.resolve()
})

test('stop does not wait for stopTimeout when nothing hangs', async () => {
  await using outbox = new TestOutbox({ main: recordingBackend(() => delivered) })
  const worker = outbox.broadcaster.worker({ ...QUICK, stopTimeout: 15_000 })
  await worker.start()
  await outbox.publish(['a'])
  await outbox.until(() => outbox.heard('event.published').length === 1)
  assert.ok((await timeOf(() => worker.stop())) < 10_000)
  assert.equal(outbox.heard('worker.error').length, 0)
})
