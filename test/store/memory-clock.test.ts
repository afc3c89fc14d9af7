import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { fetchAll, insertIn, insertOne, NAMES, newEvent } from '../../src/testing/store/steps.ts'

test('a test moves the clock: events become due and leases end without waiting', async () => {
  let now = Date.UTC(2030, 0, 1)
  const store = memoryStore({ lanes: 4, now: () => now })
  const { id, createdAt } = await insertOne(store, { delay: 86_400_000 })
  assert.equal(createdAt.getTime(), now)
  const worker = await store.coordination.enter({ name: 'w', backends: ['default'], lease: 10_000 })
  assert.deepEqual((await store.relay.unpark(NAMES, [0, 1, 2, 3], 10)).nextDueIn, 86_400_000)
  now += 9_999
  assert.equal(await store.coordination.renew(worker, 10_000), true)
  now += 10_000
  assert.equal(await store.coordination.renew(worker, 10_000), false)
  now += 86_400_000
  assert.equal((await store.relay.unpark(NAMES, [0, 1, 2, 3], 10)).woken.length, 1)
  assert.deepEqual(
    (await fetchAll(store)).map((row) => row.id),
    [id],
  )
})

test('an aborted transaction only rolls back', async () => {
  const store = memoryStore()
  const hasCode = (code: string) => (error: unknown) => error instanceof BroadcasterError && error.code === code
  await assert.rejects(
    store.transaction(async (tx) => {
      await insertIn(store, tx, [newEvent()])
      tx.abort()
      await assert.rejects(insertIn(store, tx, [newEvent()]), hasCode('TRANSACTION_ABORTED'))
    }),
    hasCode('TRANSACTION_ABORTED'),
  )
  assert.equal(await store.admin.count([]), 0)
  assert.throws(() => memoryStore({ lanes: 0 }), hasCode('INVALID_OPTION'))
})
