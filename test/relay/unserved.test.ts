import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { QUICK, recordingBackend, TestOutbox } from './outbox.ts'

const OFTEN = { ...QUICK, lease: 200, reconcileInterval: 1_000 }

test('a worker says once for each name that events wait for a backend that nobody serves', async () => {
  const store = memoryStore({ lanes: 8 })
  await using outbox = new TestOutbox({ spare: recordingBackend() }, store)
  const elsewhere = new Broadcaster({ store, name: 'other', backends: { spare: recordingBackend() }, logger: false })
  const misspelt = new Broadcaster({ store, name: 'typo', backends: { mian: recordingBackend() }, logger: false })
  let looks = 0
  const lookedOften = Promise.withResolvers<void>()
  const { waitingNames } = store.relay
  Object.assign(store.relay, {
    waitingNames: (limit: number) => {
      if (++looks === 3) lookedOften.resolve()
      return waitingNames.call(store.relay, limit)
    },
  })
  // A paused copy of the event: the other worker serves `spare`, and must not have delivered it before we look.
  await elsewhere.transaction((tx) => elsewhere.publish(tx, { type: 'a', source: '/a' }, { delay: 60_000 }))
  await misspelt.transaction((tx) =>
    misspelt.publishMany(
      tx,
      [1, 2].map((n) => ({ type: 'a', source: '/a', data: n })),
    ),
  )
  const other = elsewhere.worker(OFTEN)
  await other.start()
  await outbox.publish(['a'])
  const worker = outbox.broadcaster.worker({ ...OFTEN, backends: ['main'] })
  await worker.start()
  await lookedOften.promise
  assert.deepEqual(
    outbox.heard('backend.unserved').map(({ backend }) => backend),
    ['mian'],
  )
  // The control: once nobody serves `spare`, it is told of, too.
  await other.stop()
  await outbox.until(() => outbox.heard('backend.unserved').some(({ backend }) => backend === 'spare'))
  await worker.stop()
  const again = outbox.heard('backend.unserved').filter(({ backend }) => backend === 'mian')
  await Promise.all([elsewhere.close(), misspelt.close()])
  // `spare` took one more look at least, in which the other name was met again.
  assert.equal(again.length, 1)
})
