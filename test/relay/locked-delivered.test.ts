import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { RetryAfterError } from '../../src/backend/send-error.ts'
import { connectTo } from '../store/other-connection.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

/** The shortest that a worker takes, in ms. */
const RECONCILE = 1_000

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  const skip = kind.server ? skipWithout(kind.server) : false
  describe(`a row that somebody locks after its event was delivered: ${kind.name}`, { skip }, () => {
    test('holds up no other event of its lane, and is not sent again', async (t) => {
      const { store, place, close } = await kind.open()
      t.after(close)
      // All in one lane: each time that it is looked at, what is in hand must be over first.
      await store.schema.migrate({ lanes: 1 })
      const other = await connectTo(place)
      t.after(() => other.end())
      await using outbox = new TestOutbox({}, store)
      const { backend } = outbox
      const publish = async (key: string, data: number) =>
        outbox.broadcaster.transaction((tx) =>
          outbox.broadcaster.publish(tx, { type: 'a', source: '/x', partitionKey: key, data }),
        )
      const first = await publish('locked', 1)
      const stored = kind.name === 'postgres' ? first.id : first.id.replaceAll('-', '')
      // Released before the outbox is closed, or that waits for it when something here fails.
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      await other.run('BEGIN')
      backend.behaviour = async ({ partitionKey }) => {
        if (partitionKey === 'locked' && backend.received.length === 0) {
          await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
        }
        return delivered
      }
      await outbox.broadcaster.worker({ reconcileInterval: RECONCILE }).start()
      await outbox.until(() => backend.received.length === 1, 'the one whose row is locked')

      // Longer than two times a lane is looked at, and than one of the first statement's wait for the lock.
      const end = performance.now() + 4 * RECONCILE
      for (let n = 1; performance.now() < end; n++) {
        await publish('elsewhere', n)
        await outbox.until(() => dataOf(backend.received, 'elsewhere').length === n, `event ${n} of another key`)
        await publish('locked', n + 1)
        await outbox.until(() => dataOf(backend.received, 'locked').length === n + 1, `event ${n + 1} of its own key`)
      }
      assert.equal(outbox.heard('event.published').filter(({ record }) => record.id === first.id).length, 0)

      await other.run('COMMIT')
      await outbox.until(
        () => outbox.heard('event.published').some(({ record }) => record.id === first.id),
        'its own record',
      )
      const sent = dataOf(backend.received, 'locked')
      assert.deepEqual(
        sent,
        sent.map((_, n) => n + 1),
      )
    })

    test('takes no room from those that are to be sent, however many are locked', async (t) => {
      const { store, place, close } = await kind.open()
      t.after(close)
      await store.schema.migrate({ lanes: 2 })
      const other = await connectTo(place)
      t.after(() => other.end())
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      const first = await outbox.publish(Array.from({ length: 20 }, () => null))
      const stored = first.map(({ id }) => `'${kind.name === 'postgres' ? id : id.replaceAll('-', '')}'`)
      // No locks between rows on MySQL, or nothing could be published.
      if (kind.name !== 'postgres') await other.run('SET TRANSACTION ISOLATION LEVEL READ COMMITTED')
      await other.run('BEGIN')
      let locking: Promise<unknown> | undefined
      backend.behaviour = async () => {
        locking ??= other.run(`SELECT id FROM outbox_events WHERE id IN (${stored.join()}) FOR UPDATE`)
        await locking
        return delivered
      }
      await broadcaster.worker({ batchSize: 5, maxInHand: 20, reconcileInterval: RECONCILE }).start()
      await outbox.until(() => backend.received.length === 20, 'those that are locked')
      await outbox.publish(Array.from({ length: 100 }, () => null))
      await outbox.until(() => backend.received.length === 120, 'those that are not')
    })

    test('keeps its lane shut for an operator no longer than that one waits', async (t) => {
      const { store, place, close } = await kind.open()
      t.after(close)
      await store.schema.migrate({ lanes: 1 })
      const other = await connectTo(place)
      t.after(() => other.end())
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      const publish = async (key: string, data: number) =>
        broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'a', source: '/x', partitionKey: key, data }))
      const first = await publish('locked', 1)
      const stored = kind.name === 'postgres' ? first.id : first.id.replaceAll('-', '')
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      await other.run('BEGIN')
      let slow = Promise.withResolvers<void>()
      backend.behaviour = async ({ partitionKey }) => {
        if (partitionKey === 'locked') await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
        if (partitionKey === 'slow') await slow.promise
        return delivered
      }
      await broadcaster.worker({ reconcileInterval: RECONCILE }).start()
      await outbox.until(() => backend.received.length === 1, 'the one whose row is locked')
      for (let n = 1; n <= 3; n++) {
        slow = Promise.withResolvers()
        const { id } = await publish('slow', n)
        const { moved, unknown } = await broadcaster.admin.cancel([id], { patience: 500 })
        assert.deepEqual([moved, unknown], [[], [id]])
        slow.resolve()
        await publish('elsewhere', n)
        await outbox.until(() => dataOf(backend.received, 'elsewhere').length === n, `event ${n} of another key`)
        assert.deepEqual((await broadcaster.admin.cancel([id])).moved, [])
      }
    })

    test('nor does one whose attempt failed, but for later ones of its key', async (t) => {
      const { store, place, close } = await kind.open()
      t.after(close)
      await store.schema.migrate({ lanes: 1 })
      const other = await connectTo(place)
      t.after(() => other.end())
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      const publish = async (key: string, data: number) =>
        broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'a', source: '/x', partitionKey: key, data }))
      const first = await publish('locked', 1)
      const stored = kind.name === 'postgres' ? first.id : first.id.replaceAll('-', '')
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      await other.run('BEGIN')
      const refused = Promise.withResolvers<void>()
      let isRefused = false
      backend.behaviour = async ({ partitionKey }) => {
        if (partitionKey !== 'locked' || isRefused) return delivered
        isRefused = true
        await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
        refused.resolve()
        return notDelivered(new RetryAfterError('later', { retryAfter: 50 }))
      }
      await broadcaster.worker({ reconcileInterval: RECONCILE }).start()
      await refused.promise
      await publish('locked', 2)
      const end = performance.now() + 4 * RECONCILE
      for (let n = 1; performance.now() < end; n++) {
        await publish('elsewhere', n)
        await outbox.until(() => dataOf(backend.received, 'elsewhere').length === n, `event ${n} of another key`)
      }
      assert.deepEqual(dataOf(backend.received, 'locked'), [])
      await other.run('COMMIT')
      await outbox.until(() => dataOf(backend.received, 'locked').length >= 2, 'the retry, and the next of its key')
      assert.deepEqual(dataOf(backend.received, 'locked'), [1, 2])
    })

    test('keeps its lane from another worker for a while, and not until the lock goes', async (t) => {
      const { store, place, close } = await kind.open()
      t.after(close)
      await store.schema.migrate({ lanes: 2 })
      const other = await connectTo(place)
      t.after(() => other.end())
      await using outbox = new TestOutbox({}, store)
      const { backend, broadcaster } = outbox
      await using released = new AsyncDisposableStack()
      released.defer(async () => void (await other.run('COMMIT')))
      // Whichever lane the second worker gets, it has one.
      const first = new Map<number, string>()
      for (let n = 0; first.size < 2; n++) {
        const event = { type: 'a', source: '/x', partitionKey: `key-${n}` }
        const { id, lane } = await broadcaster.transaction((tx) => broadcaster.publish(tx, event))
        if (lane !== null && !first.has(lane)) first.set(lane, id)
      }
      const ids = [...first.values()]
      await other.run('BEGIN')
      backend.behaviour = async ({ id }) => {
        const stored = kind.name === 'postgres' ? id : id.replaceAll('-', '')
        const isFirst = ids.includes(id) && !backend.received.some((event) => event.id === id)
        if (isFirst) await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
        return delivered
      }
      await broadcaster.worker({ name: 'one' }).start()
      await outbox.until(() => ids.every((id) => backend.received.some((event) => event.id === id)), 'both')
      await broadcaster.worker({ name: 'two' }).start()
      const gained = () => outbox.heard('lane.gained').some(({ worker }) => worker === 'two')
      // It waits for 10 s, a statement for the lock before that.
      await outbox.until(gained).catch(() => outbox.until(gained))
      const again = () => ids.some((id) => backend.received.filter((event) => event.id === id).length === 2)
      await outbox.until(again, 'the one in the lane that moved, once more')
    })
  })
}
