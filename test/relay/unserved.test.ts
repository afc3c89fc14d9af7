import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { QUICK, recordingBackend, TestOutbox } from './outbox.ts'

/** Rejects when it takes ten seconds. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (const began = performance.now(); !condition(); await pause(10))
    assert.ok(performance.now() - began < 10_000, `never came: ${what}`)
}

const OFTEN = { ...QUICK, lease: 200, reconcileInterval: 1_000 }

test('a worker says once for each name that events wait for a backend that nobody serves', async (t) => {
  const store = memoryStore({ lanes: 8 })
  await using outbox = new TestOutbox({ spare: recordingBackend() }, store)
  const elsewhere = new Broadcaster({ store, name: 'other', backends: { spare: recordingBackend() }, logger: false })
  const misspelt = new Broadcaster({ store, name: 'typo', backends: { mian: recordingBackend() }, logger: false })
  t.after(() => Promise.all([elsewhere.close(), misspelt.close()]))
  let looks = 0
  const { waitingNames } = store.relay
  Object.assign(store.relay, {
    waitingNames: (limit: number) => {
      looks++
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
  await until(() => looks >= 3, 'three looks')
  assert.deepEqual(
    outbox.heard('backend.unserved').map(({ backend }) => backend),
    ['mian'],
  )
  // The control: once nobody serves `spare`, it is told of, too.
  await other.stop()
  await outbox.until(() => outbox.heard('backend.unserved').some(({ backend }) => backend === 'spare'))
  await worker.stop()
  const again = outbox.heard('backend.unserved').filter(({ backend }) => backend === 'mian')
  // `spare` took one more look at least, in which the other name was met again.
  assert.equal(again.length, 1)
})

test('events without a backend wait for the default one, at most 100 names are told, and a look that fails is repeated', async () => {
  const store = memoryStore({ lanes: 8 })
  await using outbox = new TestOutbox({ spare: recordingBackend() }, store)
  const names = Array.from({ length: 150 }, (_, n) => `name-${n}`)
  let looks = 0
  store.relay.waitingNames = async () => {
    looks++
    if (looks === 1) throw new Error('the database is busy')
    return looks === 2 ? [''] : names
  }
  await outbox.broadcaster.worker({ ...OFTEN, backends: ['spare'] }).start()
  await outbox.until(() => outbox.heard('backend.unserved').length > 0)
  assert.equal(outbox.heard('backend.unserved')[0]?.backend, 'main')
  assert.equal(looks, 2)
  assert.match(String(outbox.heard('worker.error')[0]?.error), /the database is busy/)
  await until(() => looks === 4, 'two looks more')
  assert.deepEqual(
    outbox.heard('backend.unserved').map(({ backend }) => backend),
    ['main', ...names.slice(0, 99)],
  )
})
