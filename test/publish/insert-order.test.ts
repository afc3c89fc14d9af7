import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NewOutboxEvent } from '../../src/record/columns.ts'
import { inInsertOrder } from '../../src/store/insert-rows.ts'
import { insertIn, newEvent } from '../../src/testing/store/steps.ts'
import { STORES } from '../support/stores.ts'

test('events of a key keep their order, the others are sorted by what makes them one event', () => {
  const event = (eventId: string, partitionKey: string | null): NewOutboxEvent => newEvent({ eventId, partitionKey })
  const rows = [event('c', null), event('z', 'k'), event('a', null), event('b', 'k'), event('y', 'j')]
  const names = (given: readonly NewOutboxEvent[]) => given.map(({ eventId }) => eventId)
  assert.deepEqual(names(inInsertOrder(rows)), ['a', 'c', 'y', 'z', 'b'])
  assert.deepEqual(
    names(inInsertOrder(rows.toReversed())),
    ['a', 'c', 'y', 'b', 'z'],
    'within a key the order given counts',
  )
})

// The memory store has no locks.
for (const { name, skip, open } of STORES.filter((kind) => kind.name !== 'memory')) {
  describe(`publishing the same own ids in opposite order: ${name}`, { skip }, () => {
    test('ends in no deadlock', async () => {
      const { store, close } = await open()
      try {
        for (let round = 0; round < 10; round++) {
          const ids = Array.from({ length: 60 }, (_, n) => `${round}-${n}`)
          const publish = (some: readonly string[]) =>
            store.transaction((tx) =>
              insertIn(
                store,
                tx,
                some.map((eventId) => newEvent({ eventId })),
              ),
            )
          const added = await Promise.all([publish(ids), publish(ids.toReversed())])
          assert.equal(added.flat().length, ids.length)
        }
      } finally {
        await close()
      }
    })
  })
}
