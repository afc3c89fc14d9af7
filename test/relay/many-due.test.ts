/** More parked rows of one lane are due at once than one statement brings back. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../src/store/store.ts'
import { insert, newEvent, type Owner, own } from '../../src/testing/store/steps.ts'
import { connectTo, type Other } from '../store/other-connection.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

/** What one statement brings back of a lane. */
const LIMIT = 2_000

type Row = Awaited<ReturnType<typeof insert>>[number]

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  const skip = kind.server ? skipWithout(kind.server) : false
  describe(`more than ${LIMIT} rows due in one lane, and some of them locked: ${kind.name}`, { skip }, () => {
    async function withOther(work: (outbox: TestOutbox, store: Store, other: Other, owner: Owner) => Promise<void>) {
      const { store, place, close } = await kind.open()
      await using closing = new AsyncDisposableStack()
      closing.defer(close)
      await store.schema.migrate({ lanes: 1 })
      const other = await connectTo(place)
      closing.defer(async () => void (await other.end()))
      await using outbox = new TestOutbox({}, store)
      // Released before the outbox is closed, or that waits for it when something here fails.
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      await work(outbox, store, other, await own(store))
    }
    const lock = async (other: Other, ...rows: readonly (Row | undefined)[]): Promise<void> => {
      await other.run('BEGIN')
      for (const row of rows) {
        const id = row?.id ?? ''
        const stored = kind.name === 'postgres' ? id : id.replaceAll('-', '')
        await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
      }
    }
    const rowsOf = (key: string, count: number, from = 1) =>
      Array.from({ length: count }, (_, n) =>
        newEvent({ partitionKey: key, publisherBackend: 'main', data: `${from + n}` }),
      )
    const park = async (store: Store, { ownership }: Owner, rows: readonly Row[]): Promise<void> => {
      await store.relay.settle(
        ownership,
        rows.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: 0 })),
      )
      await pause(5)
    }

    test('a follower that is not back yet is not passed by a newer event of its key', () =>
      withOther(async (outbox, store, other, owner) => {
        const first = await insert(store, ...rowsOf('locked', 1), ...rowsOf('free', LIMIT - 2), ...rowsOf('k', 1))
        await park(store, owner, first)
        const followers = await insert(store, ...rowsOf('k', 2, 2))
        await park(store, owner, followers)
        await insert(store, ...rowsOf('k', 1, 4))
        await lock(other, first[0], followers[0])
        await store.coordination.leave(owner.ownership.workerId)
        await outbox.broadcaster.worker().start()
        await outbox.until(() => dataOf(outbox.backend.received, 'free').length === LIMIT - 2, 'what nobody has locked')
        await outbox.until(() => dataOf(outbox.backend.received, 'k').length >= 1, 'the head')
        await pause(300)
        assert.deepEqual(dataOf(outbox.backend.received, 'locked'), [])
        await other.run('COMMIT')
        await outbox.until(() => dataOf(outbox.backend.received, 'k').length === 4, 'the rest of the key')
        assert.deepEqual(dataOf(outbox.backend.received, 'k'), [1, 2, 3, 4])
        await outbox.until(() => dataOf(outbox.backend.received, 'locked').length === 1, 'what was locked')
      }))

    test('as many that wait for a locked one of their key hold up no other key of the lane', () =>
      withOther(async (outbox, store, other, owner) => {
        const stuck = await insert(store, ...rowsOf('locked', LIMIT + 100))
        await park(store, owner, stuck)
        await park(store, owner, await insert(store, ...rowsOf('k', 1)))
        await insert(store, ...rowsOf('k', 1, 2))
        await lock(other, stuck[0])
        await store.coordination.leave(owner.ownership.workerId)
        await outbox.broadcaster.worker().start()
        await outbox.until(() => dataOf(outbox.backend.received, 'k').length === 2, 'the other key')
        assert.deepEqual(dataOf(outbox.backend.received, 'k'), [1, 2])
        assert.deepEqual(dataOf(outbox.backend.received, 'locked'), [])
        await other.run('COMMIT')
        await outbox.until(() => dataOf(outbox.backend.received, 'locked').length === LIMIT + 100, 'all of the key')
        const order = dataOf(outbox.backend.received, 'locked')
        assert.deepEqual(
          order,
          order.toSorted((a, b) => Number(a) - Number(b)),
        )
      }))
  })
}
